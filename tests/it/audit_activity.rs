//! What applications report, what is redacted, and what is sampled, with the real binary.

use crate::support::{PolicyDir, Sidecar, sidegate, wait_for};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

const SOON: Duration = Duration::from_secs(20);

/// Everything in the log that a query such as `&user=sam` asks for, oldest first.
fn records(sidecar: &Sidecar, query: &str) -> Vec<Value> {
    let export = sidecar.admin_get(&format!("/v1/audit/export?order=asc{query}"));
    assert_eq!(export.status, 200, "{export:?}");
    export.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn report_as(sidecar: &Sidecar, actor: &str, body: &Value) -> Value {
    let headers = [("sidegate-actor", actor), ("x-request-id", "r-7")];
    let answer = sidecar.client().post(sidecar.admin_address(), "/v1/activity", &headers, &body.to_string());
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Rule `8move-log`: every change (order status, price, client, invoice, login, permission) is recorded with who, what changed
/// (before and after), when and in what context. Rule `backbone-log`: record creation and change, order status changes, invoice and
/// shipment generation, data exports and imports, and configuration changes are logged with the user.
#[test]
fn every_change_is_recorded_with_who_what_when_and_in_what_context() {
    let sidecar = Sidecar::builder().config("audit: { mode: synced }").start();
    let changes = [
        ("orders", "update_status", "order", json!({ "status": "open" }), json!({ "status": "shipped" })),
        ("catalog", "change_price", "product", json!({ "price": 12.50 }), json!({ "price": 13.75 })),
        ("clients", "edit", "client", json!({ "name": "Ann" }), json!({ "name": "Anna" })),
        ("clients", "create", "client", Value::Null, json!({ "name": "Ben" })),
        ("invoicing", "generate_invoice", "invoice", Value::Null, json!({ "total": 100 })),
        ("shipping", "generate_shipment", "shipment", Value::Null, json!({ "parcels": 2 })),
        ("settings", "login", "session", Value::Null, json!({ "from": "2027-01-31T08:00:00Z" })),
        ("settings", "change_permission", "user", json!({ "roles": [] }), json!({ "roles": ["sales-rep"] })),
        ("settings", "configure", "setting", json!(false), json!(true)),
        ("catalog", "import", "file", Value::Null, json!(["a.csv", 17])),
        ("catalog", "export", "file", json!("none"), json!("catalog.csv")),
    ];
    let activity = |(module, action, entity, before, after): &(&str, &str, &str, Value, Value)| {
        json!({
            "user": "sam", "tenant": "north", "module": module, "action": action, "resource_type": entity, "resource_id": "17",
            "before": before, "after": after, "context": { "ip": "10.1.2.3" }, "time": "2027-01-31T09:00:00+01:00",
        })
    };
    let batch: Value = changes.iter().map(activity).collect();
    let ids = report_as(&sidecar, "alice", &batch)["ids"].clone();
    // No waiting: the answer came after the records were durable.
    let found = records(&sidecar, "&kind=activity");
    assert_eq!(found.len(), changes.len());
    for ((record, (module, action, entity, before, after)), id) in
        found.iter().zip(&changes).zip(ids.as_array().expect("ids"))
    {
        assert_eq!(record["id"], *id);
        let told =
            ["user", "tenant", "module", "action", "resource_type", "resource_id", "actor", "source", "request_id"];
        let expected = ["sam", "north", module, action, entity, "17", "alice", "admin", "r-7"];
        assert_eq!(told.map(|name| record[name].as_str().expect("a text")), expected);
        assert_eq!((&record["before"], &record["after"]), (before, after));
        assert_eq!(record["context"], json!({ "time": "2027-01-31T08:00:00.000000Z", "ip": "10.1.2.3" }));
        assert!(record["decision"].is_null() && record["time"].as_str().is_some_and(|time| time.ends_with('Z')));
    }
}

#[test]
fn one_query_shows_decisions_and_changes_together() {
    let sidecar = Sidecar::builder().start();
    sidecar.authorize(&json!({ "user": "bob", "action": "edit", "resource": "order:o-1" }));
    report_as(
        &sidecar,
        "bob",
        &json!({ "user": "bob", "action": "edit", "module": "orders", "resource_type": "order", "resource_id": "o-1" }),
    );
    sidecar.authorize(&json!({ "user": "bob", "action": "delete", "resource": "order:o-1" }));
    let kinds = || -> Vec<String> {
        let found = records(&sidecar, "&user=bob&module=orders&resource_id=o-1");
        found.iter().map(|record| record["kind"].as_str().expect("a kind").to_owned()).collect()
    };
    wait_for("all three are in the log", SOON, || kinds().len() == 3);
    let mut kinds = kinds();
    kinds.sort();
    // Each thread has a queue of its own, so that the order of two moments is that of their times.
    assert_eq!(kinds, ["activity", "decision", "decision"]);
}

#[test]
fn only_who_has_a_token_reports_and_every_problem_is_in_one_answer() {
    // The SHA-256 of `secret`.
    let token = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let settings = format!("server: {{ admin: {{ auth: tokens, tokens: [{{ name: app, sha256: {token} }}] }} }}");
    let sidecar = Sidecar::builder().config(&settings).start();
    let send = |token: &str, kind: &str, body: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str()), ("content-type", kind)];
        let request = headers.iter().fold(
            ureq::post(format!("http://{}/v1/activity", sidecar.admin_address()))
                .config()
                .http_status_as_error(false)
                .build(),
            |request, (name, value)| request.header(*name, *value),
        );
        let mut answer = request.send(body).expect("an answer");
        let body = answer.body_mut().read_to_string().expect("a body");
        (answer.status().as_u16(), serde_json::from_str::<Value>(&body).expect("JSON"))
    };
    let good = r#"{"user":"sam","action":"login"}"#;
    assert_eq!(send("wrong", "application/json", good).0, 401);
    let (status, answer) = send("secret", "application/x-ndjson", &format!("{good}\n{good}\n"));
    assert_eq!((status, answer["ids"].as_array().map(Vec::len)), (200, Some(2)));
    let (status, answer) = send("secret", "application/json", r#"[{"user":"sam"},{"usr":1,"action":"x"}]"#);
    assert_eq!((status, &answer["error"]["code"]), (422, &"invalid_activity".into()));
    let pointers: Vec<&str> = answer["error"]["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|p| p["pointer"].as_str().expect("a pointer"))
        .collect();
    assert_eq!(pointers, ["/0/action", "/1/usr", "/1/user"]);
    assert!(answer["error"]["request_id"].as_str().is_some_and(|id| id.len() == 26));
    assert_eq!(send("secret", "application/json", "{").0, 400);
    assert_eq!(send("secret", "text/plain", good).0, 400);
    assert_eq!(send("secret", "application/json", &format!("\"{}\"", "x".repeat(1 << 20))).0, 413);
}

/// Policies that ask for the address of the caller.
fn asking_for_the_address() -> PolicyDir {
    let policies = PolicyDir::copy_of(crate::support::repo("policies/demo"));
    policies.write(
        "office.yaml",
        "context: { ip: String }\nconditions: { office: { description: from the office, cedar: 'context has ip && context.ip == \"10.1.2.3\"' } }\n\
         roles: { guest: { name: Guest, grants: { products: { level: view, when: office } } } }\n\
         users: { gus-the-guest: { name: Gus, email: gus@demo.example, roles: [guest] } }\n",
    );
    policies
}

/// Whether a file below a directory holds these bytes.
fn holds(directory: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(directory).expect("a directory").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes))
    })
}

#[test]
fn what_is_redacted_reaches_no_file_and_equal_values_can_still_be_correlated() {
    let policies = asking_for_the_address();
    let (data, keys) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let key = keys.path().join("audit.key");
    fs::write(&key, "07".repeat(32)).expect("a key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
    let settings =
        |rules: &str| format!("audit: {{ redact: {{ fields: {{ {rules} }}, key_file: {} }} }}", key.display());
    let question = json!({
        "user": "gus-the-guest", "action": "view", "resource": "product:p-1", "context": { "ip": "10.1.2.3" },
    });
    // Without redaction the value is in the ring as it is: the search below would find it.
    let plain = tempfile::tempdir().expect("a directory");
    let sidecar = Sidecar::builder().policies(policies.path()).data(plain.path()).start();
    assert_eq!(sidecar.authorize(&question).1["decision"], "allow");
    sidecar.kill();
    // The policy set beside the log names its users too; it is kept as it is in git.
    let log = |data: &tempfile::TempDir| data.path().join("audit");
    assert!(holds(&log(&plain), b"gus-the-guest") && holds(&log(&plain), b"10.1.2.3"));

    let rules = "/user: hash, /context/ip: mask, /after/email: drop, /before/*/email: hash, /resource_id: mask";
    let sidecar = Sidecar::builder().policies(policies.path()).data(data.path()).config(&settings(rules)).start();
    let (_, answer) = sidecar.authorize(&question);
    assert_eq!(answer["decision"], "allow", "the decision itself knows the plain values");
    report_as(
        &sidecar,
        "alice",
        &json!({
            "user": "gus-the-guest", "action": "edit", "resource_id": "customer-4711",
            "before": [{ "email": "gus-the-guest", "n": 1 }], "after": { "email": "secret@demo.example", "n": 2 },
        }),
    );
    // As `printf gus-the-guest | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707...` has it, the first half.
    let hashed = "hmac:1f84636b029d30ecf76608903213af9c";
    wait_for("both are in the log", SOON, || {
        records(&sidecar, "").iter().filter(|r| !r["redacted"].as_array().expect("a list").is_empty()).count() == 2
    });
    let found: Vec<Value> =
        records(&sidecar, "").into_iter().filter(|r| r["action"] == "view" || r["action"] == "edit").collect();
    let decision = found.iter().find(|record| record["kind"] == "decision").expect("the decision");
    assert_eq!(decision["user"], hashed);
    assert_eq!(decision["context"], json!({ "ip": "1***3" }));
    assert_eq!(decision["redacted"], json!(["/user:hash", "/context/ip:mask", "/resource_id:mask"]));
    let activity = found.iter().find(|record| record["kind"] == "activity").expect("the activity");
    assert_eq!((&activity["user"], &activity["before"][0]["email"]), (&hashed.into(), &hashed.into()));
    assert_eq!((&activity["after"], &activity["resource_id"]), (&json!({ "n": 2 }), &"c***1".into()));
    assert_eq!(records(&sidecar, &format!("&user={hashed}")).len(), 2, "a query by the hash finds both");
    sidecar.kill();
    for secret in ["gus-the-guest", "10.1.2.3", "secret@demo.example", "customer-4711"] {
        assert!(!holds(&log(&data), secret.as_bytes()), "{secret}");
    }
    let read = sidegate(["audit", "export", "--data", &data.path().display().to_string()]);
    assert!(!read.stdout.contains("gus-the-guest") && read.stdout.contains(hashed), "{}", read.stdout);
}

#[test]
fn records_of_the_directory_and_of_sessions_are_redacted_like_all_others() {
    let (data, keys) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let key = keys.path().join("audit.key");
    fs::write(&key, "07".repeat(32)).expect("a key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");
    let rules = "/after/email: hash, /before/email: hash, /after/last_name: drop, /context/address: mask";
    let settings = format!("audit: {{ redact: {{ fields: {{ {rules} }}, key_file: {} }} }}", key.display());
    let sidecar = Sidecar::builder().data(data.path()).config(&settings).start();
    let post = |path: &str, body: Value| {
        let answer = sidecar.client().post(sidecar.admin_address(), path, &[], &body.to_string()).expect("an answer");
        assert_eq!(answer.status, 201, "{path}: {answer:?}");
    };
    let lena = json!({
        "id": "lena", "email": "lena@secret.example", "first_name": "Lena", "last_name": "Maiersecret", "activation": "none",
    });
    post("/v1/users", lena);
    post("/v1/sessions", json!({ "user": "bob", "address": "10.98.76.54", "agent": "curl/8" }));
    wait_for("both are in the log", SOON, || {
        !records(&sidecar, "&kind=directory").is_empty() && !records(&sidecar, "&kind=session").is_empty()
    });
    let created = records(&sidecar, "&kind=directory").remove(0);
    assert!(created["after"]["email"].as_str().expect("a text").starts_with("hmac:"), "{created}");
    assert_eq!((&created["after"]["last_name"], &created["after"]["first_name"]), (&Value::Null, &"Lena".into()));
    let login = records(&sidecar, "&kind=session").remove(0);
    assert_eq!(login["context"]["address"], "1***4", "{login}");
    sidecar.kill();
    for secret in ["lena@secret.example", "Maiersecret", "10.98.76.54"] {
        assert!(!holds(&data.path().join("audit"), secret.as_bytes()), "{secret}");
    }
}

#[test]
fn a_key_that_others_can_read_stops_the_start() {
    let keys = tempfile::tempdir().expect("a directory");
    let key = keys.path().join("audit.key");
    fs::write(&key, "07".repeat(32)).expect("a key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode");
    let settings = format!("audit: {{ redact: {{ fields: {{ /user: hash }}, key_file: {} }} }}", key.display());
    let ended = Sidecar::builder().config(&settings).start_failing();
    assert_eq!(ended.code, Some(64));
    assert!(
        ended.stderr.contains("has mode 0644, so that others can read or change it; `chmod 600` mends it"),
        "{}",
        ended.stderr
    );
}

#[test]
fn sampled_allows_say_for_how_many_they_stand_and_nothing_else_is_left_out() {
    const ASKED: u64 = 600;
    let settings = "audit: { sample: [{ module: products, action: view, keep_one_in: 10 }] }";
    let sidecar = Sidecar::builder().config(settings).start();
    let ask = |user: &str, action: &str, resource: &str| {
        let (status, _) = sidecar.authorize(&json!({ "user": user, "action": action, "resource": resource }));
        assert_eq!(status, 200);
    };
    for _ in 0..ASKED {
        ask("bob", "view", "product:p-1");
    }
    for _ in 0..20 {
        ask("frank", "view", "product:p-1");
        ask("bob", "view", "order:o-1");
    }
    let left_out = sidecar.count("sidegate_audit_records_total", &["outcome=\"sampled_out\""]);
    // Six standard deviations around a tenth kept.
    assert!((ASKED - 104..=ASKED - 16).contains(&left_out), "{left_out}");
    let figures = || sidecar.admin_get("/v1/audit/stats?kind=decision").json();
    wait_for("the rest is in the log", SOON, || figures()["records"] == ASKED - left_out + 40);
    let sampled = records(&sidecar, "&user=bob&module=products");
    assert_eq!(sampled.len() as u64, ASKED - left_out);
    assert!(sampled.iter().all(|record| record["kept_one_in"] == 10));
    for others in ["&user=frank", "&user=bob&module=orders"] {
        let found = records(&sidecar, others);
        assert_eq!(found.len(), 20, "{others}");
        assert!(found.iter().all(|record| record["kept_one_in"].is_null()));
    }
    assert_eq!(figures()["stands_for"], (ASKED - left_out) * 10 + 40);
}
