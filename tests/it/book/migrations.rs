//! Both sides of what the pages about moving show, asked the same questions: the real Cerbos and a real interpreter of Rego, and Sidegate.
//!
//! Every combination of users, actions and attributes is asked, attributes that are absent included.

use super::{run, stage::Stage};
use serde_json::{Map, Value, json};
use std::io::Write as _;

/// What is asked: who, what for, and the attributes of the resource.
#[derive(Debug, Clone, PartialEq)]
struct Question {
    user: String,
    action: String,
    ty: String,
    attributes: Map<String, Value>,
}

/// Every combination of values; `null` leaves the attribute out.
fn combinations(axes: &[(&str, Value)]) -> Vec<Map<String, Value>> {
    axes.iter().fold(vec![Map::new()], |found, (name, values)| {
        let with = |attributes: &Map<String, Value>, value: &Value| {
            let mut attributes = attributes.clone();
            if !value.is_null() {
                attributes.insert((*name).to_owned(), value.clone());
            }
            attributes
        };
        let values = values.as_array().expect("a list");
        found.iter().flat_map(|attributes| values.iter().map(move |value| with(attributes, value))).collect()
    })
}

fn questions(users: &[&str], ty: &str, actions: &[&str], attributes: &[Map<String, Value>]) -> Vec<Question> {
    let mut found = Vec::new();
    for user in users {
        for attributes in attributes {
            found.extend(actions.iter().map(|action| Question {
                user: (*user).to_owned(),
                action: (*action).to_owned(),
                ty: ty.to_owned(),
                attributes: attributes.clone(),
            }));
        }
    }
    found
}

/// What the page's sidecar answers, in batches.
fn ask(stage: &Stage, questions: &[Question]) -> Vec<bool> {
    let sidecar = stage.sidecar();
    let mut answers = Vec::new();
    for batch in questions.chunks(400) {
        let items: Vec<Value> = batch
            .iter()
            .map(|question| {
                let resource = json!({ "type": question.ty, "id": "o-1", "properties": question.attributes });
                let subject = json!({ "type": "user", "id": question.user });
                json!({ "subject": subject, "action": { "name": question.action }, "resource": resource })
            })
            .collect();
        let answer = sidecar.post("/access/v1/evaluations", &json!({ "evaluations": items })).json();
        let items = answer["evaluations"].as_array().expect("answers");
        answers.extend(items.iter().map(|item| item["decision"].as_bool().expect("a decision")));
    }
    assert_eq!(answers.len(), questions.len());
    answers
}

/// A suite for Cerbos that expects these answers.
fn suite(questions: &[Question], answers: &[bool], principals: &Value) -> Value {
    let (mut resources, mut expected): (Map<String, Value>, Vec<Value>) = (Map::new(), Vec::new());
    let mut actions: Vec<&str> = questions.iter().map(|question| question.action.as_str()).collect();
    actions.sort_unstable();
    actions.dedup();
    // The actions of one user on one resource stand together.
    for (chunk, answers) in questions.chunks(actions.len()).zip(answers.chunks(actions.len())) {
        let first = &chunk[0];
        let name =
            Value::Object(first.attributes.clone()).to_string().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let name = format!("r{name}");
        resources.insert(name.clone(), json!({ "kind": first.ty, "id": "o-1", "attr": first.attributes }));
        let effect = |allow: &bool| if *allow { "EFFECT_ALLOW" } else { "EFFECT_DENY" };
        let effects: Map<String, Value> = chunk
            .iter()
            .zip(answers)
            .map(|(question, allow)| (question.action.clone(), json!(effect(allow))))
            .collect();
        expected.push(json!({ "principal": first.user, "resource": name, "actions": effects }));
    }
    let users: Vec<&String> = principals.as_object().expect("principals").keys().collect();
    let input = json!({ "principals": users, "resources": resources.keys().collect::<Vec<_>>(), "actions": actions });
    json!({
        "name": "what Sidegate answers", "principals": principals, "resources": resources,
        "tests": [{ "name": "the same", "input": input, "expected": expected }]
    })
}

#[test]
fn cerbos_and_the_set_that_takes_its_place_answer_the_same() {
    let stage = run("docs/migrating-from-cerbos.md");
    let principals = json!({
        "ada": { "id": "ada", "roles": ["admin"] },
        "mona": { "id": "mona", "roles": ["manager"], "attr": { "branches": ["graz", "linz"] } },
        "sam": { "id": "sam", "roles": ["sales_rep"] },
        "wes": { "id": "wes", "roles": ["warehouse"] },
    });
    let attributes = combinations(&[
        ("account_manager", json!(["sam", "eva", null])),
        ("branch", json!(["graz", "wien", null])),
        ("total", json!([9999, 10000, null])),
        ("status", json!(["open", "closed", null])),
    ]);
    let actions = ["view", "edit", "submit", "approve", "delete"];
    let questions = questions(&["ada", "mona", "sam", "wes"], "order", &actions, &attributes);
    let mut answers = ask(&stage, &questions);
    assert_eq!(questions.len(), 1620);
    if cfg!(not(all(target_os = "linux", target_arch = "x86_64"))) {
        writeln!(std::io::stderr(), "SKIPPED Cerbos: it is not installed for this processor").expect("stderr is open");
        return;
    }
    let compile = |answers: &[bool], code| {
        stage.write("cerbos/orders_test.json", &suite(&questions, answers, &principals).to_string()).expect("a file");
        stage.shell("cerbos compile --output=json cerbos", code).expect("the code that is expected")
    };
    let report = compile(&answers, 0);
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"));
    assert_eq!(report["summary"]["testsCount"], 1620, "{}", report["summary"]);
    // It would be noticed.
    answers[17] = !answers[17];
    compile(&answers, 4);
}

/// Prints what the policy of the page says to each input.
const REGO: &str = r#"
import json
from regopy import Interpreter
rego = Interpreter()
rego.add_module("orders", open("opa/orders.rego").read())
rego.add_data(json.load(open("opa/data.json")))
answers = []
for question in json.load(open("opa/questions.json")):
    rego.set_input(question)
    answers.append(json.loads(str(rego.query("allow = data.orders.allow")))["bindings"]["allow"])
print(json.dumps(answers))
"#;

#[test]
fn rego_and_the_set_that_takes_its_place_answer_the_same() {
    let stage = run("docs/migrating-from-opa.md");
    let users = ["alice", "bob", "carol", "gina", "nobody"];
    let actions = ["view", "edit", "delete"];
    let attributes =
        combinations(&[("owner", json!(["carol", "bob", "gina", null])), ("status", json!(["open", "closed", null]))]);
    let mut questions = questions(&users, "order", &actions, &attributes);
    questions.extend(self::questions(&users, "product", &actions, &[Map::new()]));
    let inputs: Vec<Value> = questions
        .iter()
        .map(|question| {
            let mut resource = question.attributes.clone();
            resource.insert("type".to_owned(), json!(question.ty));
            json!({ "user": question.user, "action": question.action, "resource": resource })
        })
        .collect();
    stage.write("opa/questions.json", &json!(inputs).to_string()).expect("a file");
    stage.write("opa/ask.py", REGO).expect("a file");
    let said = stage.shell("python opa/ask.py", 0).expect("answers");
    let theirs: Vec<bool> = serde_json::from_str(&said).expect("a list of answers");
    let ours = ask(&stage, &questions);
    assert_eq!((theirs.len(), questions.len()), (195, 195));
    for ((question, theirs), ours) in questions.iter().zip(theirs).zip(ours) {
        assert_eq!(theirs, ours, "{question:?}: Rego says {theirs}, Sidegate {ours}");
    }
}
