//! Batches: what items inherit, where they stop, what becomes of faults, and that each is decided as if it had come alone.

use super::{EVALUATION, EVALUATIONS, certification, record, user};
use crate::support::{PolicyDir, Sidecar, repo, seed, wait_until};
use fastrand::Rng;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

fn decisions(decisions: &[bool]) -> Value {
    let items: Vec<Value> = decisions.iter().map(|decision| json!({ "decision": decision })).collect();
    json!({ "evaluations": items })
}

fn started() -> (PolicyDir, Sidecar) {
    let policies = certification();
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    (policies, sidecar)
}

fn read_first() -> Value {
    json!({"subject": user("alice"), "action": {"name": "read"}, "resource": record("record-1")})
}

#[test]
fn without_items_a_batch_is_a_single_evaluation() {
    let (_policies, sidecar) = started();
    for items in [None, Some(json!([])), Some(json!(null))] {
        let mut body = read_first();
        if let Some(items) = items {
            body["evaluations"] = items;
        }
        let answer = sidecar.post(EVALUATIONS, &body).json();
        assert_eq!((&answer["decision"], answer.get("evaluations")), (&json!(true), None), "{body}");
        for part in ["subject", "action", "resource"] {
            let mut body = body.clone();
            body.as_object_mut().expect("an object").remove(part);
            assert_eq!(sidecar.post(EVALUATIONS, &body).status, 400, "no `{part}`: {body}");
        }
    }
}

#[test]
fn an_item_takes_what_it_lacks_from_the_top_as_a_whole() {
    let (_policies, sidecar) = started();
    // Each of the four in turn, from the top and from the item.
    let admin = json!({"type": "user", "id": "alice", "properties": {"role": "admin"}});
    let soft = json!({"name": "delete", "properties": {"soft": true}});
    let shelved = json!({"type": "record", "id": "record-1", "properties": {"status": "archived"}});
    for (top, item, decision) in [
        (
            json!({"subject": user("alice"), "action": {"name": "read"}, "resource": record("record-1")}),
            json!({}),
            true,
        ),
        (json!({}), read_first(), true),
        (json!({"subject": user("nobody"), "action": {"name": "fly"}, "resource": record("x")}), read_first(), true),
        (read_first(), json!({"subject": user("nobody")}), false),
        (read_first(), json!({"action": {"name": "fly"}}), false),
        (read_first(), json!({"resource": record("record-9")}), false),
        (read_first(), json!({"subject": null, "action": null, "resource": null, "context": null}), true),
        // Properties of the top do not reach into a member of the item's own.
        (json!({"subject": admin, "action": {"name": "write"}, "resource": record("record-2")}), json!({}), true),
        (
            json!({"subject": admin, "action": {"name": "write"}, "resource": record("record-2")}),
            json!({"subject": user("alice")}),
            false,
        ),
        (json!({"subject": user("alice"), "action": soft, "resource": record("record-1")}), json!({}), true),
        (
            json!({"subject": user("alice"), "action": soft, "resource": record("record-1")}),
            json!({"action": {"name": "delete"}}),
            false,
        ),
        (json!({"subject": user("alice"), "action": {"name": "write"}, "resource": shelved}), json!({}), false),
        (
            json!({"subject": user("alice"), "action": {"name": "write"}, "resource": shelved}),
            json!({"resource": record("record-1")}),
            true,
        ),
    ] {
        let mut body = top;
        body["evaluations"] = json!([item]);
        let answer = sidecar.post(EVALUATIONS, &body);
        assert_eq!((answer.status, answer.json()), (200, decisions(&[decision])), "{body}");
    }
}

#[test]
fn a_context_is_replaced_as_a_whole() {
    let policies = PolicyDir::with(&[(
        "policies.cedar",
        "permit (principal, action, resource) when { context has a && context has b && context.a == 1 && context.b == 2 };",
    )]);
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    let mut body = read_first();
    body["context"] = json!({"a": 1, "b": 2});
    body["evaluations"] =
        json!([{}, {"context": {"a": 1}}, {"context": {"b": 2, "a": 1}}, {"context": {}}, {"context": null}]);
    assert_eq!(sidecar.post(EVALUATIONS, &body).json(), decisions(&[true, false, true, false, true]));
}

#[test]
fn a_default_that_no_item_needs_may_be_anything() {
    let (_policies, sidecar) = started();
    let body = json!({"subject": 5, "action": [], "resource": {}, "context": "x", "evaluations": [read_first(), {}]});
    let mut own = read_first();
    own["context"] = json!({});
    let mut body_with_contexts = body.clone();
    body_with_contexts["evaluations"] = json!([own, {}]);
    assert_eq!(sidecar.post(EVALUATIONS, &body_with_contexts).json(), decisions(&[true, false]));
    assert_eq!(
        sidecar.post(EVALUATIONS, &body).json(),
        decisions(&[false, false]),
        "a context that cannot be read is not left out: it could disarm a `forbid`"
    );
}

#[test]
fn each_semantic_stops_where_it_says_and_the_answer_ends_there() {
    let (_policies, sidecar) = started();
    let (yes, no, broken) = (json!({}), json!({"subject": user("nobody")}), json!({"resource": {"type": "record"}}));
    for (semantic, items, expected) in [
        (json!(null), vec![&yes, &no, &broken, &yes], vec![true, false, false, true]),
        (json!("execute_all"), vec![&yes, &no, &broken, &yes], vec![true, false, false, true]),
        (json!("deny_on_first_deny"), vec![&yes, &no, &yes], vec![true, false]),
        (json!("deny_on_first_deny"), vec![&broken, &yes], vec![false]),
        (json!("deny_on_first_deny"), vec![&yes, &yes], vec![true, true]),
        (json!("permit_on_first_permit"), vec![&no, &broken, &yes, &no], vec![false, false, true]),
        (json!("permit_on_first_permit"), vec![&yes, &no], vec![true]),
        (json!("permit_on_first_permit"), vec![&no, &no], vec![false, false]),
    ] {
        let mut body = read_first();
        body["evaluations"] = json!(items);
        body["options"] = json!({"evaluations_semantic": semantic, "unknown": {"ignored": true}});
        let answer = sidecar.post(EVALUATIONS, &body);
        assert_eq!((answer.status, answer.json()), (200, decisions(&expected)), "{body}");
        assert_eq!(sidecar.post(EVALUATIONS, &body).body, answer.body, "the identical body on repeat");
    }
    for options in [
        json!({"evaluations_semantic": "any"}),
        json!({"evaluations_semantic": "EXECUTE_ALL"}),
        json!({"evaluations_semantic": ""}),
        json!({"evaluations_semantic": 1}),
        json!([]),
        json!("execute_all"),
    ] {
        let mut body = read_first();
        body["evaluations"] = json!([{}]);
        body["options"] = options;
        assert_eq!(sidecar.post(EVALUATIONS, &body).status, 400, "{body}");
    }
}

#[test]
fn a_fault_of_an_item_is_false_within_200_and_touches_no_other() {
    let (_policies, sidecar) = started();
    let good = read_first();
    for broken in [
        json!(null),
        json!(5),
        json!([]),
        json!({"subject": {"type": "user"}}),
        json!({"subject": "alice"}),
        json!({"action": {}}),
        json!({"resource": {"id": "record-1"}}),
        json!({"context": []}),
        json!({"subject": {"type": "user", "id": "alice", "properties": []}}),
    ] {
        let mut body = good.clone();
        body["evaluations"] = json!([{}, broken, {}]);
        let answer = sidecar.post(EVALUATIONS, &body);
        assert_eq!((answer.status, answer.json()), (200, decisions(&[true, false, true])), "{body}");
    }
    // Names that occur twice make the item no item.
    let twice = format!(
        r#"{},"evaluations":[{{}},{{"context":{{"a":1,"a":2}}}},{{"action":{{"name":"read"}},"action":{{"name":"read"}}}}]}}"#,
        good.to_string().trim_end_matches('}').to_owned() + "}"
    );
    assert_eq!(sidecar.post_text(EVALUATIONS, &[], &twice).json(), decisions(&[true, false, false]), "{twice}");
    // A batch of one broken item, with no subject anywhere.
    let lone = json!({"evaluations": [{"action": {"name": "read"}, "resource": record("record-1")}]});
    let answer = sidecar.post(EVALUATIONS, &lone);
    assert_eq!((answer.status, answer.json()), (200, decisions(&[false])));
    // A fault of the whole is the status's.
    for body in [json!({"evaluations": {}}), json!({"evaluations": "x"}), json!({"evaluations": 1}), json!([{}])] {
        assert_eq!(sidecar.post(EVALUATIONS, &body).status, 400, "{body}");
    }
}

#[test]
fn reasons_of_batch_items_are_given_to_those_who_ask_for_them() {
    let (_policies, sidecar) = started();
    let mut body = read_first();
    body["options"] = json!({"reasons": true});
    body["evaluations"] = json!([{}, {"subject": user("nobody")}, {"action": {}}]);
    let answer = sidecar.post(EVALUATIONS, &body).json();
    let items = &answer["evaluations"];
    assert_eq!(items[0]["context"]["reason"]["code"], "granted");
    assert_eq!(items[1]["context"]["reason"]["code"], "condition_not_met");
    assert_eq!(
        items[2],
        json!({"decision": false, "context": {"error": {"status": 400, "message": "missing field `name`"}}})
    );
    assert_eq!(sidecar.post(EVALUATIONS, &body).json(), answer);
}

#[test]
fn a_batch_of_a_thousand_is_taken_and_one_more_item_is_refused_with_the_setting() {
    let (_policies, sidecar) = started();
    let batch = |items: usize| {
        let mut body = read_first();
        body["evaluations"] = json!(vec![json!({}); items]);
        sidecar.post(EVALUATIONS, &body)
    };
    let answer = batch(1000);
    assert_eq!(answer.json()["evaluations"].as_array().map(Vec::len), Some(1000));
    assert_eq!(sidecar.count("sidegate_decisions_total", &[r#"decision="allow""#, r#"source="authzen""#]), 1000);
    let answer = batch(1001);
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json()["error"]["message"],
        "a batch may hold at most 1000 evaluations (`server.authorize.limits.batch_items`), this one has 1001"
    );
    assert_eq!(sidecar.count("sidegate_decisions_total", &[]), 1000, "nothing of it was decided");
}

/// What stands in the place of a member now and then.
const BROKEN: [&str; 6] = ["null", "7", "{}", r#"{"type":"user"}"#, r#"{"name":1}"#, "[]"];

/// What a generated batch is made of.
struct Grammar {
    subjects: Vec<Value>,
    actions: Vec<Value>,
    resources: Vec<Value>,
    contexts: Vec<Value>,
}

impl Grammar {
    fn of_fixture() -> Self {
        let with = |mut entity: Value, properties: Value| {
            entity["properties"] = properties;
            entity
        };
        let mut grammar = Self {
            subjects: vec![
                user("alice"),
                user("bob"),
                user("nobody"),
                with(user("alice"), json!({"role": "admin"})),
                with(user("alice"), json!({"role": 1.5})),
                json!({"type": "mcp-tool", "id": "x"}),
            ],
            actions: ["read", "write", "delete", "fly"].map(|name| json!({ "name": name })).to_vec(),
            resources: vec![
                record("record-1"),
                record("record-2"),
                record("record-9"),
                with(record("record-1"), json!({"status": "archived"})),
                with(record("record-1"), json!({"status": 5})),
                json!({"type": "urn:x", "id": "record-1"}),
            ],
            contexts: vec![json!({}), json!({"ip": "10.0.0.1"}), json!({"action_properties": {"soft": true}})],
        };
        grammar.actions.push(json!({"name": "delete", "properties": {"soft": true}}));
        grammar
    }

    fn of_distributor() -> Self {
        let order = |attributes: Value| json!({"type": "order", "id": "o-1", "properties": attributes});
        let users = ["ada", "sam", "max", "sue", "ivy", "nobody"].map(user);
        Self {
            subjects: users.into_iter().chain([json!({"type": "robot", "id": "sam"}), json!({})]).collect(),
            actions: ["view", "edit", "delete", "update_status", "fly"]
                .map(|name| json!({ "name": name }))
                .into_iter()
                .chain([json!({"name": 1})])
                .collect(),
            resources: vec![
                order(json!({})),
                order(json!({"account_manager": "sam"})),
                order(json!({"account_manager": {"__entity": {"type": "User", "id": "sam"}}, "undeclared": 1})),
                order(json!({"tenant": "south"})),
                order(json!({"status": 5})),
                json!({"type": "setting", "id": "billing"}),
                json!({"type": "settings", "id": ""}),
                json!({"type": "orders", "id": "x"}),
                json!({"type": "rocket", "id": "r"}),
                json!("order"),
            ],
            contexts: vec![
                json!({"tenant": "north"}),
                json!({"tenant": "south"}),
                json!({"tenant": "west"}),
                json!({"tenant": 5}),
                json!({}),
            ],
        }
    }

    /// Some of the four members: each with this chance.
    fn members(&self, rng: &mut Rng, chance: f64) -> Map<String, Value> {
        let mut members = Map::new();
        for (name, values) in [
            ("subject", &self.subjects),
            ("action", &self.actions),
            ("resource", &self.resources),
            ("context", &self.contexts),
        ] {
            if rng.f64() < chance {
                let value = match rng.u8(..12) {
                    0 => serde_json::from_str(BROKEN[rng.usize(..BROKEN.len())]).expect("JSON"),
                    _ => values[rng.usize(..values.len())].clone(),
                };
                members.insert(name.to_owned(), value);
            }
        }
        members
    }

    fn item(&self, rng: &mut Rng) -> Value {
        match rng.u8(..20) {
            0 => json!("not an item"),
            chance => Value::Object(self.members(rng, f64::from(chance) / 25.0)),
        }
    }
}

/// The item as a question of its own: each member from the item, or else from the top.
fn alone(top: &Map<String, Value>, item: &Value) -> Value {
    let Some(item) = item.as_object() else { return item.clone() };
    let mut question = Map::new();
    for name in ["subject", "action", "resource", "context"] {
        let own = item.get(name).filter(|own| !own.is_null());
        if let Some(value) = own.or_else(|| top.get(name)) {
            question.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(question)
}

#[test]
fn a_batch_decides_and_records_as_single_calls_do() {
    // As many as it takes to ask so many questions: batches end early, and some hold nothing that can be decided.
    const ROUNDS: usize = 40;
    const MOST_ROUNDS: usize = 10 * ROUNDS;
    const QUESTIONS: usize = 100;
    let seed = seed("batches");
    let (policies, fixture) = started();
    let distributor = Sidecar::builder().policies(repo("policies/8move")).start();
    for (sidecar, grammar) in [(&fixture, Grammar::of_fixture()), (&distributor, Grammar::of_distributor())] {
        let mut rng = Rng::with_seed(seed);
        let mut decided = 0;
        for round in 0..MOST_ROUNDS {
            if round >= ROUNDS && decided > QUESTIONS {
                break;
            }
            decided += compare(sidecar, &grammar, &mut rng, round);
        }
        assert!(decided > QUESTIONS, "the generator asks {decided} questions only");
        compare_records(sidecar, 2 * decided);
    }
    drop(policies);
}

/// Asks one batch, and each of its items alone. Answers how many of them were decided.
fn compare(sidecar: &Sidecar, grammar: &Grammar, rng: &mut Rng, round: usize) -> usize {
    let top = grammar.members(rng, 0.9);
    let items: Vec<Value> = (0..rng.usize(1..30)).map(|_| grammar.item(rng)).collect();
    let semantic = ["execute_all", "execute_all", "deny_on_first_deny", "permit_on_first_permit"][rng.usize(..4)];
    let reasons = rng.bool();
    let mut body = Value::Object(top.clone());
    body["evaluations"] = json!(items);
    body["options"] = json!({"evaluations_semantic": semantic, "reasons": reasons});

    let (mut expected, mut decided) = (Vec::new(), 0);
    for (index, item) in items.iter().enumerate() {
        let question = alone(&top, item).to_string();
        let single = sidecar.post_text(EVALUATION, &[("x-request-id", &format!("single {round} {index}"))], &question);
        let answer = single.json();
        let decision = single.status == 200 && answer["decision"] == true;
        decided += usize::from(single.status == 200);
        assert!(matches!(single.status, 200 | 400), "{single:?}");
        let mut one = json!({ "decision": decision });
        if reasons && single.status == 200 {
            one["context"] = json!({"reason": answer["context"]["reason"]});
        } else if reasons {
            one["context"] = json!({"error": {"status": 400}});
        }
        expected.push(one);
        let stops = match semantic {
            "deny_on_first_deny" => !decision,
            "permit_on_first_permit" => decision,
            _ => false,
        };
        if stops {
            break;
        }
    }

    let answer = sidecar.post_text(EVALUATIONS, &[("x-request-id", &format!("batch {round}"))], &body.to_string());
    assert_eq!(answer.status, 200, "{body}: {answer:?}");
    let mut answered = answer.json();
    for item in answered["evaluations"].as_array_mut().expect("items") {
        // Places within the body are others in a batch.
        if let Some(error) = item.pointer_mut("/context/error").and_then(Value::as_object_mut) {
            assert!(error.remove("message").is_some_and(|message| message.is_string()));
        }
    }
    assert_eq!(answered, json!({ "evaluations": expected }), "{body}");
    decided
}

/// Each question has left two records, and they differ in nothing that the question does not bring.
fn compare_records(sidecar: &Sidecar, count: usize) {
    let records = || -> Vec<Value> {
        let lines = sidecar.admin_get("/v1/audit/export?order=asc&kind=decision").body;
        lines.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    };
    let found = wait_until(Duration::from_secs(20), || Some(records()).filter(|found| found.len() >= count));
    let found = found.unwrap_or_else(|| panic!("{} records instead of {count}", records().len()));
    assert_eq!(found.len(), count);
    let (mut singles, mut batches) = (BTreeMap::<String, Vec<Value>>::new(), BTreeMap::<String, Vec<Value>>::new());
    let mut ids = BTreeSet::new();
    for mut record in found {
        assert!(ids.insert(record["id"].to_string()), "an id that was there before: {record}");
        let request = record["request_id"].as_str().expect("an id").to_owned();
        let mut words = request.split(' ');
        let (way, round) = (words.next().expect("a word"), words.next().expect("a number").to_owned());
        for name in ["seq", "time", "id", "request_id", "duration_us"] {
            record.as_object_mut().expect("an object").remove(name);
        }
        let side = if way == "batch" { &mut batches } else { &mut singles };
        side.entry(round).or_default().push(record);
    }
    // Two connections are two rings, and which of their records comes first is left to chance.
    for records in batches.values_mut().chain(singles.values_mut()) {
        records.sort_by_key(Value::to_string);
    }
    assert_eq!(batches, singles);
}
