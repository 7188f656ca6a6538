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
        "s.yaml:8:22: error[unknown-key]: there is no `debounce` in `audit`; see `policies.debounce`",
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
        ("server: { authorize: { listen: 0.0.0.0:8480, callers: [] } }", "authorize-without-auth"),
        ("server: { authorize: { callers: [{ name: a, certificates: [x] }] } }", "certificates-without-effect"),
        ("server: { admin: { clients: [{ name: a, certificates: [x] }] } }", "clients-without-effect"),
    ] {
        let found = problems(&Given { file: Some(&file.replace("DIGEST", DIGEST)), ..NOTHING });
        assert!(found.len() == 1 && found[0].contains(code), "{file}: {found:?}");
    }
    for file in [
        "server: { admin: { auth: none, listen: '[::1]:8481' } }",
        "server: { admin: { listen: 0.0.0.0:8481 } }",
        "server: { authorize: { listen: 0.0.0.0:8480, callers: [{ name: a, sha256: DIGEST }] } }",
    ] {
        read(&Given { file: Some(&file.replace("DIGEST", DIGEST)), ..NOTHING }).unwrap();
    }
}

#[test]
fn what_is_written_and_would_have_no_effect_is_refused() {
    let issuer = "subjects: { tokens: [{ issuer: i, audiences: a, jwks: /k, MORE }] }";
    let tls = "server: { ops: { tls: { certificate: /c, key: /k, client_ca: /a, client_certificates: MORE } } }";
    for (file, more, says) in [
        (tls, "optional", "everybody is served alike"),
        (issuer, "known_users_only: ", "`known_users_only` of an issuer is written and says nothing"),
        (issuer, "roles: ", "`roles` of an issuer is written and says nothing"),
        (issuer, "tenant: ", "`tenant` of an issuer is written and says nothing"),
        (issuer, "roles: { claim: r, prefix: }", "`prefix` of an issuer is written and says nothing"),
        (issuer, "roles: { claim: r, names: {} }", "`names` of an issuer is a mapping"),
    ] {
        let found = problems(&Given { file: Some(&file.replace("MORE", more)), ..NOTHING });
        assert!(found.len() == 1 && found[0].contains(says), "{more}: {found:?}");
    }
    for (file, more) in [(tls, "required"), (issuer, "known_users_only: true, roles: { claim: r, names: { a: b } }")] {
        read(&Given { file: Some(&file.replace("MORE", more)), ..NOTHING }).unwrap();
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
fn a_token_says_what_it_opens_and_without_a_word_opens_everything() {
    let other = DIGEST.replace("2c", "3d");
    let last = DIGEST.replace("2c", "4e");
    let file = format!(
        "server:\n  admin:\n    tokens:\n      - {{ name: all, sha256: {DIGEST} }}\n      \
         - {{ name: ci, sha256: {other}, scopes: [policies, read] }}\n      \
         - {{ name: app, sha256: {last}, scopes: [directory], operator: true }}\n"
    );
    let from_file = read(&Given { file: Some(&file), ..NOTHING }).unwrap().server.admin_tokens;
    let text = format!("all={DIGEST}, ci={other}:policies+read, app={last}:operator+directory");
    let environment = &[("SIDEGATE_SERVER__ADMIN__TOKENS", text.as_str())];
    let from_environment = read(&Given { environment, ..NOTHING }).unwrap().server.admin_tokens;
    assert_eq!(from_file, from_environment);
    let told: Vec<_> = from_file.iter().map(|token| (token.scopes.as_slice(), token.operator)).collect();
    assert_eq!(
        told,
        [(&Scope::ALL[..], false), (&[Scope::Read, Scope::Policies][..], false), (&[Scope::Directory][..], true),]
    );
    let operator = format!("a={DIGEST}:operator");
    let environment = &[("SIDEGATE_SERVER__ADMIN__TOKENS", operator.as_str())];
    let token = &read(&Given { environment, ..NOTHING }).unwrap().server.admin_tokens[0];
    assert!(token.operator && token.scopes == Scope::ALL);
}

#[test]
fn scopes_that_say_nothing_or_too_much_are_refused() {
    for entry in [
        "scopes: []",
        "scopes: read",
        "scopes: [read, read]",
        "scopes: [all]",
        "scopes: [1]",
        "scopes: { read: true }",
        "operator: yes please",
        "operator: [true]",
    ] {
        let file = format!("server: {{ admin: {{ tokens: [{{ name: a, sha256: {DIGEST}, {entry} }}] }} }}");
        let found = problems(&Given { file: Some(&file), ..NOTHING });
        assert!(found.len() == 1 && found[0].contains("invalid-value"), "{entry}: {found:?}");
    }
    for text in [
        "a=DIGEST:",
        "a=DIGEST:all",
        "a=DIGEST:read+read",
        "a=DIGEST:operator+operator",
        "a=DIGEST,a=DIGEST:read",
        "a=DIGEST,b=DIGEST",
        "a=hunter2",
    ] {
        let environment = &[("SIDEGATE_SERVER__ADMIN__TOKENS", &*text.replace("DIGEST", DIGEST))];
        let found = problems(&Given { environment, ..NOTHING });
        assert!(found.len() == 1 && found[0].contains("does not fit `server.admin.tokens`"), "{text}: {found:?}");
        assert!(!found[0].contains("hunter2") && !found[0].contains(DIGEST), "{found:?}");
    }
}

#[test]
fn a_wrong_token_is_named_by_its_place_and_its_text_is_not_repeated() {
    let file = format!(
        "server:\n  admin:\n    tokens:\n      - {{ name: ops, sha256: hunter2 }}\n      - {{ name: a, sha256: {DIGEST}, scope: x }}\n      \
         - {{ name: a, sha256: {} }}\n      - {{ sha256: {DIGEST} }}\n      - text\n      \
         - {{ name: b, sha256: {DIGEST} }}\n",
        DIGEST.replace("2c", "3d")
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
            "s.yaml:9:9: error[duplicate-token",
        ]
    );
    assert!(found[5].contains("the tokens `a` and `b` have the same digest"), "{found:?}");
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

#[test]
fn what_is_redacted_and_sampled_is_read_from_file_and_environment() {
    let file = "audit:\n  redact:\n    fields: { /user: mask, /context/customer/e~1mail: drop }\n\
                \x20 sample:\n    - { module: catalog, action: view, keep_one_in: 100 }\n    - { user: \"17\", keep_one_in: 1 }\n";
    let environment = [
        ("SIDEGATE_AUDIT__REDACT__FIELDS", "/user=mask, /context/customer/e~1mail=drop"),
        ("SIDEGATE_AUDIT__SAMPLE", "module=catalog action=view keep_one_in=100, user=17 keep_one_in=1"),
    ];
    let from_file = read(&Given { file: Some(file), ..NOTHING }).unwrap().audit;
    let from_environment = read(&Given { environment: &environment, ..NOTHING }).unwrap().audit;
    assert_eq!(from_file.redact.fields, from_environment.redact.fields);
    assert_eq!(from_file.sample, from_environment.sample);
    let places: Vec<String> = from_file.redact.fields.iter().map(RedactRule::place).collect();
    assert_eq!(places, ["/user", "/context/customer/e~1mail"]);
    assert_eq!(from_file.redact.fields[1].below, ["customer", "e/mail"]);
    let [first, second] = &from_file.sample[..] else { panic!("two rules") };
    assert_eq!(
        (first.module.as_deref(), first.action.as_deref(), first.keep_one_in),
        (Some("catalog"), Some("view"), 100)
    );
    assert_eq!((second.user.as_deref(), second.keep_one_in), (Some("17"), 1));
}

#[test]
fn rules_that_would_leave_something_in_the_log_are_refused() {
    let file = "audit:\n  redact:\n    fields:\n      /decision: drop\n      /user/name: drop\n      /tenant: hide\n\
                \x20     /context: mask\n      /context/ip: drop\n      /actor: hash\n  sample:\n    - { module: catalog }\n\
                \x20   - { keep_one_in: 5 }\n    - { modul: catalog, keep_one_in: 0 }\n    - text\n";
    let found = problems(&Given { file: Some(file), ..NOTHING });
    let expected = [
        (
            "s.yaml:4:7: error[invalid-value]",
            "`/decision` is no place that can be redacted: it is one of `/request_id`, `/tenant`",
        ),
        ("s.yaml:5:7: error[invalid-value]", "`/user/name` is no place"),
        ("s.yaml:6:7: error[invalid-value]", "`hide` is no way to redact `/tenant`: it is `drop`, `hash` or `mask`"),
        ("s.yaml:11:7: error[missing-key]", "a sample needs `keep_one_in`"),
        ("s.yaml:12:7: error[missing-key]", "a sample names at least one of"),
        ("s.yaml:13:9: error[unknown-key]", "there is no `modul` in `audit.sample`; did you mean `module`?"),
        ("s.yaml:13:38: error[invalid-value]", "`0` does not fit `keep_one_in`"),
        ("s.yaml:14:7: error[invalid-value]", "a sample is a mapping such as"),
    ];
    for (place, message) in expected {
        assert!(
            found.iter().any(|line| line.starts_with(place) && line.contains(message)),
            "{place} {message} in\n{found:#?}"
        );
    }
    // Those of the whole stand at the mapping.
    for message in ["`/context/ip` has no effect, since `/context` is redacted as a whole", "`hash` needs a key in"] {
        assert!(found.iter().any(|line| line.contains(message)), "{message} in\n{found:#?}");
    }
    let list = problems(&Given { file: Some("audit: { redact: { fields: [/user] }, sample: {} }\n"), ..NOTHING });
    assert!(
        list[0].contains("`audit.redact.fields` is a mapping of places") && list[0].contains("not a list"),
        "{list:#?}"
    );
    assert!(list[1].contains("`audit.sample` is a list of") && list[1].contains("not a mapping"), "{list:#?}");
}

#[test]
fn a_key_file_is_private_and_holds_a_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.key");
    let text = path.display().to_string();
    let environment = [("SIDEGATE_AUDIT__REDACT__FIELDS", "/user=hash"), ("SIDEGATE_AUDIT__REDACT__KEY_FILE", &*text)];
    let given = Given { environment: &environment, ..NOTHING };
    let key = format!("{}\n", "ab".repeat(32));
    let cases = [
        (None, 0o600, Some("cannot be read: No such file")),
        (Some("abc"), 0o600, Some("does not hold 64 or more hexadecimal digits")),
        (Some("xy"), 0o600, Some("does not hold 64 or more hexadecimal digits")),
        (Some(key.as_str()), 0o644, Some("has mode 0644, so that others can read or change it")),
        (Some(key.as_str()), 0o660, Some("has mode 0660, so that others can read or change it")),
        (Some(key.as_str()), 0o640, None),
        (Some(key.as_str()), 0o400, None),
    ];
    for (content, mode, expected) in cases {
        if let Some(content) = content {
            drop(fs::remove_file(&path));
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        match expected {
            Some(expected) => {
                let found = problems(&given);
                assert!(found[0].contains("bad-key-file") && found[0].contains(expected), "{mode:o}: {found:#?}");
            }
            None => assert_eq!(read(&given).unwrap().audit.redact.key, RedactKey::new(&[0xab; 32])),
        }
    }
}

#[test]
fn the_public_address_is_one_that_metadata_may_name() {
    let given = |text: &str| {
        let file = format!("server: {{ authorize: {{ public_url: {text:?} }} }}\n");
        read(&Given { file: Some(&file), ..NOTHING }).map(|settings| settings.server.authorize.public_url)
    };
    for text in [
        "https://pdp.example",
        "https://pdp.example/",
        "https://pdp.example:8443/a/b",
        "https://127.0.0.1:1",
        "https://[::1]:8443/x/",
        "https://localhost",
    ] {
        assert_eq!(given(text).unwrap().as_deref(), Some(text));
    }
    assert_eq!(given("").unwrap(), None);
    for text in [
        "http://pdp.example",
        "pdp.example",
        "https://",
        "https:///a",
        "https://a b",
        "https://user@pdp.example",
        "https://pdp.example?x=1",
        "https://pdp.example/#a",
        "https://pdp.example/a//b",
        "https://pdp.example/../a",
        "https://pdp.example:0",
        "https://pdp.example:x",
        "https://::1",
        "HTTPS://pdp.example",
    ] {
        assert!(given(text).is_err(), "{text}");
    }
}

#[test]
fn callers_are_the_same_from_the_file_and_from_the_environment_and_are_written_as_they_are_read() {
    let file = format!(
        "server:\n  authorize:\n    tls: {{ certificate: c, key: k, client_ca: a, client_certificates: optional }}\n    callers:\n      \
         - {{ name: shop, sha256: {DIGEST}, scopes: [decide, search], requests_per_second: 5 }}\n      \
         - {{ name: erp, certificates: [\"spiffe://c/ERP\", Erp.Internal], in_flight: 2 }}\n"
    );
    let callers = read(&Given { file: Some(&file), ..NOTHING }).unwrap().server.authorize.callers;
    assert_eq!(callers[1].certificates, ["spiffe://c/ERP", "erp.internal"]);
    assert_eq!(callers[1].scopes, CallerScope::ALL);
    let written = callers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let tls = "certificate: c, key: k, client_ca: a, client_certificates: optional";
    let again = format!("server: {{ authorize: {{ tls: {{ {tls} }}, callers: [{written}] }} }}");
    assert_eq!(read(&Given { file: Some(&again), ..NOTHING }).unwrap().server.authorize.callers, callers);

    let list = format!(
        "name=shop sha256={DIGEST} scopes=decide+search requests_per_second=5, \
         name=erp certificates=spiffe://c/ERP+Erp.Internal in_flight=2"
    );
    let tls = format!("server: {{ authorize: {{ tls: {{ {tls} }} }} }}");
    let environment: &[(&str, &str)] = &[("SIDEGATE_SERVER__AUTHORIZE__CALLERS", &list)];
    let given = Given { file: Some(&tls), environment, ..NOTHING };
    assert_eq!(read(&given).unwrap().server.authorize.callers, callers);
    for slip in
        ["name=shop", "sha256=x", "name=a sha256=x", "name=a rate=5", "name=a name=b", "a", "name=a in_flight=0"]
    {
        let environment: &[(&str, &str)] = &[("SIDEGATE_SERVER__AUTHORIZE__CALLERS", slip)];
        let found = problems(&Given { environment, ..NOTHING });
        assert!(found.len() == 1 && found[0].contains("does not fit `server.authorize.callers`"), "{slip}: {found:?}");
    }
}

#[test]
fn the_mode_of_a_socket_is_octal() {
    for (written, mode) in [
        ("0600", Some(0o600)),
        ("\"0666\"", Some(0o666)),
        ("\"660\"", Some(0o660)),
        // What Helm makes of `0660`, and what may be such.
        ("432", None),
        ("660", None),
        ("0o600", None),
        ("0888", None),
        ("17777", None),
    ] {
        let file = format!("server: {{ authorize: {{ unix_socket_mode: {written} }} }}");
        let found = read(&Given { file: Some(&file), ..NOTHING }).ok();
        assert_eq!(found.map(|settings| settings.server.authorize.unix_socket.mode), mode, "{written}");
    }
}

#[test]
fn a_mode_without_quotes_may_have_been_another_number() {
    let written = "server: { authorize: { unix_socket_mode: 432 } }";
    let found = problems(&Given { file: Some(written), ..NOTHING });
    assert!(found.len() == 1 && found[0].contains("in quotes, such as `\"0660\"`"), "{found:?}");
    // The environment knows texts alone.
    let environment: &[(&str, &str)] = &[("SIDEGATE_SERVER__AUTHORIZE__UNIX_SOCKET_MODE", "660")];
    let settings = read(&Given { environment, ..NOTHING }).unwrap();
    assert_eq!(settings.server.authorize.unix_socket.mode, 0o660);
}
