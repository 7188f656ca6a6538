use super::{keys::KEYS, *};
use std::{fs, path::Path, time::Duration};

const DIGEST: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

struct Given<'a> {
    file: Option<&'a str>,
    environment: &'a [(&'a str, &'a str)],
    flags: &'a [(&'static str, &'a str)],
}

const NOTHING: Given<'_> = Given { file: None, environment: &[], flags: &[] };

fn read(given: &Given<'_>) -> Result<Settings, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.yaml");
    let file = given.file.map(|content| {
        fs::write(&path, content).unwrap();
        path.clone()
    });
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    load(&Sources {
        file,
        environment: given.environment.iter().map(own).collect(),
        flags: given.flags.iter().map(|(name, value)| Flag { name, value: (*value).to_owned() }).collect(),
    })
}

/// One line a problem, without the folder of the file.
fn problems(given: &Given<'_>) -> Vec<String> {
    match read(given) {
        Err(Error::Invalid(problems)) => problems
            .iter()
            .map(|problem| {
                let line = problem.to_string();
                line.split_once("/s.yaml").map_or(line.clone(), |(_, rest)| format!("s.yaml{rest}"))
            })
            .collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn defaults_hold_where_nothing_is_given() {
    let settings = read(&NOTHING).unwrap();
    assert_eq!(settings.server.authorize.listen.to_string(), "127.0.0.1:8480");
    assert_eq!(settings.server.admin_auth, AdminAuth::Tokens);
    assert!(settings.server.authorize.workers > 0);
}

#[test]
fn a_flag_wins_over_the_environment_and_the_environment_over_the_file() {
    let file =
        Some("server: { admin: { listen: 127.0.0.1:1 } }\nshutdown: { delay: 2s }\npolicies: { watch: false }\n");
    let environment = &[("SIDEGATE_SERVER__ADMIN__LISTEN", "127.0.0.1:2"), ("SIDEGATE_SHUTDOWN__DELAY", "3s")];
    let settings =
        read(&Given { file, environment, flags: &[("--admin-listen", "127.0.0.1:3"), ("--data", "elsewhere")] })
            .unwrap();
    assert_eq!(settings.server.admin_listen.port(), 3);
    assert_eq!(settings.shutdown.delay, Duration::from_secs(3));
    assert!(!settings.policies.watch);
    assert_eq!(settings.audit.directory, Path::new("elsewhere"));
}

#[test]
fn every_problem_of_the_file_is_reported_at_once_with_its_place() {
    let file = "sever: {}\nserver:\n  authorize:\n    listen: localhost\n    limits: { body_bytes: 64 }\n  admin: { lisen: x }\n\
                policies: [a]\naudit: { mode: fast, debounce: 1s }\nshutdown: { delay: }\n";
    let found = problems(&Given { file: Some(file), ..NOTHING });
    let expected = [
        "s.yaml:1:1: error[unknown-key]: there is no `sever` at the top; did you mean `server`?",
        "s.yaml:4:13: error[invalid-value]: `localhost` does not fit `server.authorize.listen`: it is an IP address with a port, \
         such as `127.0.0.1:8480`",
        "s.yaml:5:27: error[invalid-value]: `64` does not fit `server.authorize.limits.body_bytes`: it is a size such as `64KiB` \
         or `8MiB`",
        "s.yaml:6:12: error[unknown-key]: there is no `lisen` in `server.admin`; did you mean `listen`?",
        "s.yaml:7:11: error[invalid-value]: `policies` is a mapping, not a list",
        "s.yaml:8:16: error[invalid-value]: `fast` does not fit `audit.mode`: it is `durable` or `synced`",
        "s.yaml:8:22: error[unknown-key]: there is no `debounce` in `audit`; known: `directory`, `mode`, `when_full`, \
         `when_failed`, `ring_bytes`",
        "s.yaml:9:18: error[invalid-value]: `shutdown.delay` is a duration such as `250ms`, `5s` or `1h`, not nothing",
    ];
    assert_eq!(found, expected);
}

#[test]
fn unknown_variables_are_problems_and_those_that_kubernetes_makes_are_not() {
    let environment = &[
        ("SIDEGATE_SERVER_ADMIN_LISTEN", "x"),
        ("SIDEGATE_SHUTDOWN__DELEY", "x"),
        ("SIDEGATE_SHUTDOWN__DELAY", "soon"),
        ("SIDEGATE_SERVICE_HOST", "10.0.0.1"),
        ("SIDEGATE_SERVICE_PORT_HTTP", "80"),
        ("SIDEGATE_PORT", "tcp://10.0.0.1:80"),
        ("SIDEGATE_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("SIDEGATE_OPS_PORT_8482_TCP", "tcp://10.0.0.1:8482"),
        ("SIDEGATE_CONFIG", "x"),
        ("PATH", "x"),
    ];
    let expected = [
        "SIDEGATE_SERVER_ADMIN_LISTEN: error[unknown-variable]: there is no setting for the variable \
         `SIDEGATE_SERVER_ADMIN_LISTEN`; did you mean `SIDEGATE_SERVER__ADMIN__LISTEN`?",
        "SIDEGATE_SHUTDOWN__DELAY: error[invalid-value]: `soon` does not fit `shutdown.delay`: it is a duration such as `250ms`, \
         `5s` or `1h`",
        "SIDEGATE_SHUTDOWN__DELEY: error[unknown-variable]: there is no setting for the variable `SIDEGATE_SHUTDOWN__DELEY`; \
         did you mean `SIDEGATE_SHUTDOWN__DELAY`?",
    ];
    assert_eq!(problems(&Given { environment, ..NOTHING }), expected);
}

#[test]
fn what_would_open_the_door_to_anybody_is_refused() {
    for (file, code) in [
        ("server: { admin: { auth: none, listen: 0.0.0.0:8481 } }", "admin-without-auth"),
        ("server: { admin: { auth: none, listen: '[::]:8481' } }", "admin-without-auth"),
        ("server: { admin: { auth: none, tokens: [{ name: a, sha256: DIGEST }] } }", "tokens-without-effect"),
        ("server: { authorize: { listen: 0.0.0.0:8480 } }", "authorize-without-auth"),
    ] {
        let found = problems(&Given { file: Some(&file.replace("DIGEST", DIGEST)), ..NOTHING });
        assert!(found.len() == 1 && found[0].contains(code), "{file}: {found:?}");
    }
    for file in [
        "server: { admin: { auth: none, listen: '[::1]:8481' } }",
        "server: { admin: { listen: 0.0.0.0:8481 } }",
        "server: { authorize: { listen: 0.0.0.0:8480, allow_unauthenticated: true } }",
    ] {
        read(&Given { file: Some(file), ..NOTHING }).unwrap();
    }
}

#[test]
fn tokens_are_a_list_in_the_file_and_one_text_in_the_environment() {
    let file = format!("server: {{ admin: {{ tokens: [{{ name: ops, sha256: {DIGEST} }}] }} }}");
    let from_file = read(&Given { file: Some(&file), ..NOTHING }).unwrap().server.admin_tokens;
    let text = format!("ops={DIGEST}");
    let environment = &[("SIDEGATE_SERVER__ADMIN__TOKENS", text.as_str())];
    let from_environment = read(&Given { environment, ..NOTHING }).unwrap().server.admin_tokens;
    assert_eq!(from_file, from_environment);
    assert_eq!((from_file[0].name.as_str(), from_file[0].sha256[0]), ("ops", 0x2c));
}

#[test]
fn a_wrong_token_is_named_by_its_place_and_its_text_is_not_repeated() {
    let file = format!(
        "server:\n  admin:\n    tokens:\n      - {{ name: ops, sha256: hunter2 }}\n      - {{ name: a, sha256: {DIGEST}, scope: x }}\n      \
         - {{ name: a, sha256: {DIGEST} }}\n      - {{ sha256: {DIGEST} }}\n      - text\n"
    );
    let found = problems(&Given { file: Some(&file), ..NOTHING });
    let places: Vec<&str> = found.iter().map(|line| line.split("]: ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "s.yaml:4:30: error[invalid-value",
            "s.yaml:5:94: error[unknown-key",
            "s.yaml:6:9: error[duplicate-token",
            "s.yaml:7:9: error[missing-key",
            "s.yaml:8:9: error[invalid-value",
        ]
    );
    assert!(!found.concat().contains("hunter2"));
}

#[test]
fn the_reference_reads_as_the_defaults() {
    let text = reference();
    let settings = read(&Given { file: Some(&text), ..NOTHING }).unwrap();
    let mut defaults = read(&NOTHING).unwrap();
    defaults.server.authorize.workers = settings.server.authorize.workers;
    for key in KEYS {
        assert_eq!((key.show)(&settings), (key.show)(&defaults), "{}", key.path);
        assert!(text.contains(&key.environment_name()), "{}", key.path);
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_of_its_own() {
    let missing = Sources { file: Some("/nonexistent/s.yaml".into()), ..Sources::default() };
    assert!(matches!(load(&missing), Err(Error::Read { .. })));
}
