//! The commands: data on standard output, everything else on standard error, exit codes.

use crate::support::{PolicyDir, command, repo, run, sidegate};
use serde_json::Value;
use std::{
    io::Write as _,
    process::{Command, Stdio},
};

const BROKEN: &str = "policy_set: x\nroles: { reader: { name: R, grants: { ordres: view } } }\n";

fn demo() -> String {
    repo("policies/demo").to_str().expect("UTF-8").to_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn exit_codes_are_those_of_the_contract() {
    let broken = PolicyDir::with(&[("set.yaml", BROKEN)]);
    let (demo, broken) = (demo(), broken.path().to_str().expect("UTF-8").to_owned());
    let ask = |dir: &str, user: &str| {
        ["authorize", dir, "--user", user, "--action", "edit", "--resource", "order:o-1"].map(str::to_owned).to_vec()
    };
    let plain = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    for (args, code) in [
        (plain(&["--help"]), 0),
        (plain(&["--version"]), 0),
        (plain(&["check", &demo]), 0),
        (plain(&["compile", &demo]), 0),
        (ask(&demo, "bob"), 0),
        (ask(&demo, "frank"), 2),
        (plain(&["check", &broken]), 3),
        (plain(&["compile", &broken]), 3),
        (ask(&broken, "bob"), 3),
        (plain(&["check", "/no/such/directory"]), 3),
        (plain(&[]), 64),
        (plain(&["chekc"]), 64),
        (plain(&["authorize", &demo]), 64),
        (plain(&["authorize", &demo, "--user", "bob"]), 64),
        (plain(&["check", &demo, "--output", "xml"]), 64),
        (plain(&["serve", "--config", "/no/such/file"]), 64),
    ] {
        let exited = sidegate(&args);
        assert_eq!(exited.code, Some(code), "{args:?}: {exited:?}");
        assert_eq!(exited.stdout.is_empty(), !matches!(code, 0 | 2), "{args:?}: {exited:?}");
        assert_eq!(exited.stderr.is_empty(), matches!(code, 0 | 2), "{args:?}: {exited:?}");
    }
}

/// The first failures of whoever begins say what to do next, and leave nothing behind.
#[test]
fn where_there_is_no_policy_set_the_next_step_is_told() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(scratch.path().join("shop")).expect("made");
    std::fs::write(scratch.path().join("shop/roles.yaml"), "").expect("written");
    let serve = |more: &[&'static str]| {
        let any = ["--authorize-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];
        [&["serve"], &any[..], more].concat()
    };
    for (args, says) in [
        (serve(&[]), &["(policies)", "`--policies DIR`", "`--config FILE`", "`sidegate init DIR`"][..]),
        (serve(&["--policies", "elsewhere"]), &["`elsewhere` begins at the working directory, which is `"]),
        (serve(&["--policies", "shop/roles.yaml"]), &["a policy set is a directory", "such as `shop`"]),
        (vec!["check", "shop/roles.yaml"], &["this is a file", "name the directory of the set, such as `shop`"]),
        (vec!["test", "nowhere"], &["No such file", "`sidegate init nowhere` writes a set"]),
    ] {
        let mut command = command(&args);
        command.current_dir(scratch.path());
        let exited = run(command);
        assert_eq!(exited.code, Some(3), "{args:?}: {exited:?}");
        for text in says {
            assert!(exited.stderr.contains(text), "{args:?}: no `{text}` in {}", exited.stderr);
        }
    }
    let there: Vec<_> =
        std::fs::read_dir(scratch.path()).expect("a directory").map(|entry| entry.expect("one").file_name()).collect();
    assert_eq!(there, ["shop"], "no data directory was made");
}

#[test]
fn check_config_says_what_it_has_looked_at() {
    let file = repo("config/sidegate.yaml").to_str().expect("UTF-8").to_owned();
    for (args, says) in [
        (vec!["serve", "--check-config", "--config", &file], format!("`{file}`: the configuration is good\n")),
        (
            vec!["serve", "--check-config"],
            "no file is named (`--config FILE`): the defaults, environment and flags are good\n".to_owned(),
        ),
    ] {
        let exited = sidegate(&args);
        assert_eq!((exited.code, exited.stdout), (Some(0), says), "{args:?}");
    }
}

/// The words that people try first.
#[test]
fn since_and_until_are_from_and_to() {
    let list = |flag: &str| sidegate(["audit", "list", "--data", "/no/such/directory", flag, "yesterday"]);
    for (flag, name) in [("--since", "from"), ("--until", "to")] {
        let exited = list(flag);
        assert_eq!(exited.code, Some(64), "{exited:?}");
        assert!(
            exited.stderr.contains(&format!("`{name}`")) && exited.stderr.contains("2027-01-31T08:00:00Z"),
            "{exited:?}"
        );
    }
}

#[test]
fn check_reports_as_data_where_it_is_asked_to() {
    let good = json(&sidegate(["check", &demo(), "--output", "json"]).stdout);
    assert_eq!((&good["valid"], &good["policy_set"]), (&true.into(), &"demo".into()), "{good}");
    let broken = PolicyDir::with(&[("set.yaml", BROKEN)]);
    let exited = sidegate(["check", broken.path().to_str().expect("UTF-8"), "--output", "json"]);
    assert_eq!(exited.code, Some(3), "{exited:?}");
    let report = json(&exited.stdout);
    assert_eq!(report["valid"], false);
    let first = &report["diagnostics"][0];
    assert_eq!((&first["file"], &first["severity"]), (&"set.yaml".into(), &"error".into()), "{report}");
    assert!(first["line"].is_u64() && first["column"].is_u64() && first["code"].is_string(), "{report}");
}

#[test]
fn authorize_answers_as_the_http_interface_does() {
    let demo = demo();
    let ask = |more: &[&str]| {
        let base =
            ["authorize", &demo, "--user", "carol", "--action", "edit", "--resource", "order:o-1", "--output", "json"];
        json(&sidegate(base.iter().chain(more)).stdout)
    };
    assert_eq!(ask(&[])["reason"]["code"], "condition_not_met");
    let own = ask(&["--attribute", "owner=carol"]);
    assert_eq!(
        (&own["decision"], &own["reason"]["policies"][0]),
        (&"allow".into(), &"role/rep/orders".into()),
        "{own}"
    );
    assert_eq!(own["revision"].as_str().map(str::len), Some(12));
}

#[test]
fn a_question_is_read_from_standard_input_in_the_words_of_the_http_interface() {
    let ask = |body: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sidegate"))
            .args(["authorize", &demo(), "--request", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        child.stdin.take().expect("piped").write_all(body.as_bytes()).expect("written");
        let output = child.wait_with_output().expect("ended");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    assert_eq!(ask(r#"{"user":"bob","action":"edit","resource":"order:o-1"}"#).0, Some(0));
    assert_eq!(ask(r#"{"user":"frank","action":"edit","resource":"order:o-1"}"#).0, Some(2));
    let (code, said) = ask(r#"{"usr":"bob","action":"edit","resource":"order:o-1"}"#);
    assert_eq!(code, Some(64));
    assert!(said.contains("`usr`") && said.contains("`user`"), "{said}");
}

#[test]
fn explain_shows_every_policy_that_was_considered_with_its_place() {
    let demo = demo();
    let base = ["explain", &demo, "--user", "carol", "--action", "edit", "--resource", "order:o-1"];
    let exited = sidegate(base);
    assert_eq!(exited.code, Some(0), "{exited:?}");
    for text in ["deny", "condition_not_met", "role/rep/orders", "roles.yaml:", "does not apply"] {
        assert!(exited.stdout.contains(text), "no `{text}` in {}", exited.stdout);
    }
    let explained = json(&sidegate(base.iter().chain(&["--output", "json"])).stdout);
    let considered = &explained["considered"][0];
    assert_eq!((&considered["id"], &considered["result"]), (&"role/rep/orders".into(), &"unmet".into()), "{explained}");
}

#[test]
fn compile_prints_cedar_that_names_its_sources() {
    let cedar = sidegate(["compile", &demo()]).stdout;
    for text in [r#"@id("role/clerk/orders")"#, "@source(\"roles.yaml:", r#"Role::"clerk""#] {
        assert!(cedar.contains(text), "no `{text}` in {cedar}");
    }
    let data = json(&sidegate(["compile", &demo(), "--output", "json"]).stdout);
    assert_eq!(data["cedar"], cedar);
}

#[test]
fn schemas_and_completions_are_printed() {
    for kind in ["policy-set", "policy-tests"] {
        assert!(json(&sidegate(["schema", kind]).stdout)["$schema"].is_string());
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = sidegate(["completions", shell]).stdout;
        assert!(script.contains("authorize") && script.contains("sidegate"), "{shell}");
    }
}

#[test]
fn a_reader_that_closes_the_pipe_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["compile", &demo()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
