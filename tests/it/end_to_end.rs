//! The main job, through all doors: policy files in, decisions out, every decision in the log, changes live.

use crate::support::{PolicyDir, Raw, Sidecar, Signal, repo, sidegate, wait_for, wait_until};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// For what happens a moment later: a record is stored, a change is live.
const SOON: Duration = Duration::from_secs(20);

/// The fields of an audit record, in order.
const RECORD_FIELDS: &[&str] = &[
    "seq",
    "time",
    "kind",
    "id",
    "request_id",
    "tenant",
    "user",
    "roles",
    "action",
    "module",
    "resource_type",
    "resource_id",
    "decision",
    "reason",
    "policies",
    "errors",
    "revision",
    "duration_us",
    "source",
    "actor",
    "before",
    "after",
    "context",
    "redacted",
    "kept_one_in",
    "trace_id",
];

/// What a new file adds: a role and a user who has it.
const NEWCOMER: &str = "roles:\n  viewer:\n    name: Viewer\n    grants: { products: view }\n\
                        users:\n  nina: { name: Nina Auer, email: nina@demo.example, roles: [viewer] }\n";

fn question(user: &str, action: &str, resource: &str) -> Value {
    json!({ "user": user, "action": action, "resource": resource })
}

/// Every record of a query such as `&user=bob`, page by page.
fn records(sidecar: &Sidecar, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = sidecar.admin_get(&format!("/v1/audit?order=asc&limit=100{query}{cursor}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let page = answer.json();
        all.extend(page["items"].as_array().expect("items").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// The records of a query once there are as many as expected.
#[track_caller]
fn wait_records(sidecar: &Sidecar, query: &str, count: usize) -> Vec<Value> {
    let found = wait_until(SOON, || Some(records(sidecar, query)).filter(|found| found.len() >= count));
    let found = found.unwrap_or_else(|| panic!("not {count} records of `{query}` within {SOON:?}"));
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

#[test]
fn a_decision_is_answered_recorded_and_counted() {
    let sidecar = Sidecar::builder().start();
    let counted = [r#"decision="allow""#, r#"module="orders""#, r#"source="native""#];
    assert_eq!(sidecar.count("sidegate_decisions_total", &counted), 0);

    let asked = question("bob", "edit", "order:o-1");
    let answer = sidecar.post_text("/v1/authorize", &[("x-request-id", "e2e-1")], &asked.to_string());
    assert_eq!((answer.status, answer.header("x-request-id")), (200, "e2e-1"), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    let header = answer.header("sidegate-revision").to_owned();
    let answer = answer.json();
    assert_eq!(answer["decision"], "allow", "{answer}");
    assert_eq!(answer["reason"]["code"], "granted");
    assert_eq!(answer["reason"]["policies"], json!(["role/clerk/orders"]));
    assert!(answer["reason"]["message"].as_str().is_some_and(|message| message.contains("clerk")), "{answer}");
    let revision = answer["revision"].as_str().expect("a revision");
    assert!(revision.len() == 12 && revision.chars().all(|c| c.is_ascii_hexdigit()), "{revision}");
    assert_eq!(header, revision);
    assert_eq!(answer["id"].as_str().map(str::len), Some(26), "a ULID: {answer}");

    let record = &wait_records(&sidecar, "&user=bob", 1)[0];
    for (field, want) in [
        ("kind", json!("decision")),
        ("id", answer["id"].clone()),
        ("request_id", json!("e2e-1")),
        ("user", json!("bob")),
        ("roles", json!(["clerk"])),
        ("action", json!("edit")),
        ("module", json!("orders")),
        ("resource_type", json!("order")),
        ("resource_id", json!("o-1")),
        ("decision", json!("allow")),
        ("reason", json!("granted")),
        ("policies", json!(["role/clerk/orders"])),
        ("revision", json!(revision)),
        ("source", json!("native")),
    ] {
        assert_eq!(record[field], want, "field `{field}` of {record}");
    }
    assert!(record["seq"].is_u64() && record["duration_us"].is_number(), "{record}");
    let time = record["time"].as_str().expect("a time");
    assert!(time.len() == "2026-11-22T17:28:00.000000Z".len() && time.ends_with('Z'), "{time}");

    assert_eq!(sidecar.count("sidegate_decisions_total", &counted), 1);
    assert_eq!(sidecar.count("sidegate_decisions_total", &[]), 1);
    assert_eq!(sidecar.count("sidegate_decision_duration_seconds_count", &[]), 1);
    let status = sidecar.ops_get("/status").json();
    assert!(status.to_string().contains(revision), "{status}");
}

#[test]
fn a_record_has_every_field_in_the_order_of_the_contract() {
    let sidecar = Sidecar::builder().start();
    sidecar.authorize(&question("bob", "edit", "order:o-1"));
    wait_records(&sidecar, "&user=bob", 1);
    // The text, since a parsed object does not keep the order.
    let text = sidecar.admin_get("/v1/audit?user=bob").body;
    let mut rest = text.as_str();
    for field in RECORD_FIELDS {
        let (_, after) = rest.split_once(&format!("\"{field}\":")).unwrap_or_else(|| panic!("no `{field}` in {rest}"));
        rest = after;
    }
    let parsed: Value = serde_json::from_str(&text).expect("JSON");
    let fields: BTreeSet<_> = parsed["items"][0].as_object().expect("a record").keys().map(String::as_str).collect();
    assert_eq!(fields, RECORD_FIELDS.iter().copied().collect());
}

#[test]
fn a_changed_file_changes_answer_and_record_and_nothing_restarts() {
    let policies = PolicyDir::copy_of(repo("policies/demo"));
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    let asked = question("nina", "view", "product:p-1");
    let before = sidecar.authorize(&asked).1;
    assert_eq!(before["reason"]["code"], "user_unknown", "{before}");

    policies.write("newcomer.yaml", NEWCOMER);
    wait_for("the new file decides", SOON, || sidecar.authorize(&asked).1["decision"] == "allow");
    let after = sidecar.authorize(&asked).1;
    assert_ne!(after["revision"], before["revision"]);

    let by_id = |id: &Value| {
        let found = wait_until(SOON, || records(&sidecar, "&user=nina").into_iter().find(|record| record["id"] == *id));
        found.unwrap_or_else(|| panic!("no record of decision {id}"))
    };
    for answer in [&before, &after] {
        let record = by_id(&answer["id"]);
        assert_eq!(record["revision"], answer["revision"]);
        assert_eq!(record["decision"], answer["decision"]);
        assert_eq!(record["reason"], answer["reason"]["code"]);
    }
    let revision = after["revision"].as_str().expect("a revision");
    let swaps = wait_until(SOON, || {
        let swaps = records(&sidecar, "&kind=policy");
        swaps.iter().any(|record| record["revision"] == revision).then_some(swaps)
    });
    assert!(swaps.is_some_and(|swaps| swaps.iter().any(|record| record["reason"] == "swapped")));
    assert!(sidecar.ops_get("/status").body.contains(revision));
    assert_eq!(sidecar.count("sidegate_policy_reloads_total", &[r#"outcome="swapped""#]), 1);
}

#[test]
fn a_broken_file_leaves_the_last_good_policies_deciding() {
    let policies = PolicyDir::copy_of(repo("policies/demo"));
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    let asked = question("bob", "edit", "order:o-1");
    let before = sidecar.authorize(&asked).1;

    policies.write("broken.yaml", "roles:\n  temp:\n    grants: { ordres: view }\n");
    wait_for("the refusal is counted", SOON, || {
        sidecar.count("sidegate_policy_reloads_total", &[r#"outcome="rejected_validation""#]) == 1
    });
    let after = sidecar.authorize(&asked).1;
    assert_eq!((&after["decision"], &after["revision"]), (&before["decision"], &before["revision"]));
    let status = sidecar.ops_get("/status").body;
    assert!(status.contains("broken.yaml") && status.contains("ordres"), "{status}");
    assert_eq!(sidecar.ops_get("/readyz").status, 200);

    policies.remove("broken.yaml");
    wait_for("the failure is over", SOON, || sidecar.count("sidegate_policy_consecutive_failures", &[]) == 0);
}

/// The user and the role come and go together: an answer that mixed old and new would show.
#[test]
fn in_a_reload_storm_every_answer_is_explained_by_one_revision() {
    let policies = PolicyDir::copy_of(repo("policies/demo"));
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    let asked = question("nina", "view", "product:p-1");
    let revision_of = |answer: &Value| answer["revision"].as_str().expect("a revision").to_owned();
    let without = revision_of(&sidecar.authorize(&asked).1);

    let stop = AtomicBool::new(false);
    let seen: Vec<(String, String)> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let answer = sidecar.post("/v1/authorize", &asked);
                        let header = answer.header("sidegate-revision").to_owned();
                        let answer = answer.json();
                        assert_eq!(header, revision_of(&answer));
                        seen.push((header, answer["reason"]["code"].as_str().expect("a code").to_owned()));
                    }
                    seen
                })
            })
            .collect();
        for round in 0..12 {
            let there = round % 2 == 0;
            if there {
                policies.write("newcomer.yaml", NEWCOMER);
            } else {
                policies.remove("newcomer.yaml");
            }
            wait_for("the change decides", SOON, || (revision_of(&sidecar.authorize(&asked).1) != without) == there);
        }
        stop.store(true, Ordering::Relaxed);
        asking.into_iter().flat_map(|thread| thread.join().expect("a thread that asks")).collect()
    });

    let explained: BTreeMap<&str, BTreeSet<&str>> = seen.iter().fold(BTreeMap::new(), |mut codes, (revision, code)| {
        codes.entry(revision.as_str()).or_insert_with(BTreeSet::new).insert(code);
        codes
    });
    assert_eq!(explained.len(), 2, "{explained:?}");
    for (revision, codes) in explained {
        let want = if revision == without { "user_unknown" } else { "granted" };
        assert_eq!(codes.into_iter().collect::<Vec<_>>(), [want], "revision {revision}");
    }
}

#[test]
fn every_answered_decision_is_in_the_log_exactly_once() {
    const THREADS: usize = 8;
    const EACH: usize = 100;
    let sidecar = Sidecar::builder().start();
    let users = ["alice", "bob", "carol", "dave", "erin", "frank"];
    let ask = |thread: usize| -> Vec<(String, Value, Value)> {
        let answer = |n: usize| {
            let user = users[(thread + n) % users.len()];
            let (status, answer) = sidecar.authorize(&question(user, "edit", &format!("order:{thread}-{n}")));
            assert_eq!(status, 200, "{answer}");
            (format!("{thread}-{n}"), answer["id"].clone(), answer["decision"].clone())
        };
        (0..EACH).map(answer).collect()
    };
    let answered: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || ask(thread))).collect();
        asking.into_iter().flat_map(|thread| thread.join().expect("a thread that asks")).collect()
    });

    let found = wait_records(&sidecar, "&kind=decision", THREADS * EACH);
    let recorded: BTreeMap<_, _> = found.iter().map(|record| (record["resource_id"].to_string(), record)).collect();
    assert_eq!(recorded.len(), found.len(), "a decision is recorded twice");
    for (resource, id, decision) in &answered {
        let record = recorded[&json!(resource).to_string()];
        assert_eq!((&record["id"], &record["decision"]), (id, decision), "{record}");
    }
    let sequence: Vec<_> = found.iter().filter_map(|record| record["seq"].as_u64()).collect();
    assert!(sequence.is_sorted() && sequence.len() == found.len());
    assert_eq!(sidecar.count("sidegate_decisions_total", &[]), (THREADS * EACH) as u64);
}

#[test]
fn a_client_that_hangs_up_loses_no_record() {
    const CLIENTS: usize = 60;
    let sidecar = Sidecar::builder().start();
    for n in 0..CLIENTS {
        let body = question("bob", "edit", &format!("order:gone-{n}")).to_string();
        let mut client = Raw::connect(sidecar.authorize_address());
        client.post("/v1/authorize", &body);
    }
    // One that stays, so that there is a decision in any case.
    sidecar.authorize(&question("bob", "edit", "order:here"));
    wait_for("as many records as decisions", SOON, || {
        let decided = sidecar.count("sidegate_decisions_total", &[]);
        decided >= 1 && records(&sidecar, "&kind=decision").len() as u64 == decided
    });
}

#[test]
fn a_killed_process_has_lost_nothing_that_it_answered() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let mut answered = Vec::new();
    for round in 0..3 {
        let sidecar = Sidecar::builder().data(data.path()).start();
        for n in 0..50 {
            let answer = sidecar.authorize(&question("bob", "edit", &format!("order:{round}-{n}"))).1;
            answered.push(answer["id"].as_str().expect("an id").to_owned());
        }
        sidecar.kill();
    }
    let sidecar = Sidecar::builder().data(data.path()).start();
    let found = wait_records(&sidecar, "&kind=decision", answered.len());
    let recorded: Vec<_> = found.iter().filter_map(|record| record["id"].as_str()).collect();
    assert_eq!(recorded, answered, "every decision once, in the order of the answers");
    let sequence: Vec<_> = records(&sidecar, "").iter().filter_map(|record| record["seq"].as_u64()).collect();
    assert!(sequence.windows(2).all(|pair| pair[1] == pair[0] + 1), "gaps in {sequence:?}");
}

#[test]
fn a_stopped_log_is_listed_by_the_command_line() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let sidecar = Sidecar::builder().data(data.path()).start();
    let answer = sidecar.authorize(&question("carol", "view", "product:p-7")).1;
    let admin = format!("http://{}", sidecar.admin_address());
    wait_records(&sidecar, "&user=carol", 1);

    let data_path = data.path().to_str().expect("UTF-8");
    let running = sidegate(["audit", "list", "--admin", &admin, "--user", "carol", "--output", "json"]);
    assert_eq!(running.code, Some(0), "{running:?}");
    assert_eq!(sidecar.stop().code, Some(0));
    let stopped = sidegate(["audit", "list", "--data", data_path, "--user", "carol", "--output", "json"]);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    for listed in [running, stopped] {
        assert!(listed.stdout.contains(answer["id"].as_str().expect("an id")), "{listed:?}");
    }
}

#[test]
fn a_polite_stop_ends_with_exit_code_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let sidecar = Sidecar::builder().start();
        sidecar.authorize(&question("bob", "edit", "order:o-1"));
        sidecar.signal(signal);
        let exited = sidecar.wait_exit(Duration::from_secs(30));
        assert_eq!(exited.code, Some(0), "{exited:?}");
    }
}

#[test]
fn broken_policies_stop_the_start_with_every_problem_and_exit_code_3() {
    let policies = PolicyDir::copy_of(repo("policies/demo"));
    policies.write("broken.yaml", "roles:\n  temp:\n    grants:\n      ordres: view\n      products: veiw\n");
    let exited = Sidecar::builder().policies(policies.path()).start_failing();
    assert_eq!(exited.code, Some(3), "{exited:?}");
    for text in ["broken.yaml:4:", "broken.yaml:5:", "ordres", "orders", "veiw", "view"] {
        assert!(exited.stderr.contains(text), "no `{text}` in {}", exited.stderr);
    }
    assert!(!exited.stderr.contains("\"listening\""), "{}", exited.stderr);
}

#[test]
fn a_data_directory_that_is_in_use_stops_the_start() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let first = Sidecar::builder().data(data.path()).start();
    let exited = Sidecar::builder().data(data.path()).start_failing();
    assert_eq!(exited.code, Some(1), "{exited:?}");
    let names_it = exited.stderr.contains(data.path().to_str().expect("UTF-8"));
    assert!(names_it && exited.stderr.contains("in use"), "{}", exited.stderr);
    assert!(!exited.stderr.contains("\"listening\""), "{}", exited.stderr);
    assert_eq!(first.authorize(&question("bob", "edit", "order:o-1")).1["decision"], "allow");
}

#[test]
fn an_open_admin_listener_beyond_loopback_stops_the_start() {
    let exited = Sidecar::builder().listen("admin", "0.0.0.0:0").start_failing();
    assert_eq!(exited.code, Some(64), "{exited:?}");
    assert!(exited.stderr.contains("server.admin.auth"), "{}", exited.stderr);
}

#[test]
fn an_address_in_use_stops_the_start_and_names_the_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let exited = Sidecar::builder().listen("ops", &address).start_failing();
    assert_ne!(exited.code, Some(0), "{exited:?}");
    assert!(exited.stderr.contains(&address) && exited.stderr.contains("server.ops.listen"), "{}", exited.stderr);
}
