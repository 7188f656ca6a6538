//! Decisions in the middle of a reload storm: each is explained by exactly one revision.

use crate::support::{PolicyDir, Sidecar, generation, wait_for};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);
const QUICK: &str = "policies: { poll_interval: 100ms, debounce: 5ms }";

#[test]
fn every_answer_in_a_reload_storm_is_that_of_the_revision_it_names() {
    const SWAPS: usize = 40;
    const ASKING: usize = 32;
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let sidecar = Sidecar::builder().policies(policies.path()).config(QUICK).start();
    // Which generation each revision is: an administrator is told when it is live.
    let known: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let learn = |n: usize, answer: &Value| {
        let revision = answer["revision"].as_str().expect("a revision").to_owned();
        known.lock().expect("known").insert(revision, n);
    };
    let reload = || sidecar.admin_post("/v1/policies/reload", &json!({})).json();
    learn(0, &reload());

    let done = AtomicBool::new(false);
    let answers: Vec<(usize, Value)> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..ASKING)
            .map(|thread| {
                let (sidecar, done) = (&sidecar, &done);
                scope.spawn(move || {
                    let mut answers = Vec::new();
                    let mut n = thread;
                    while !done.load(Ordering::Relaxed) {
                        n = (n + 1) % SWAPS;
                        let asked = json!({ "user": format!("gen-{n}"), "action": "view", "resource": "order:o-1" });
                        let (status, answer) = sidecar.authorize(&asked);
                        assert_eq!(status, 200, "{answer}");
                        answers.push((n, answer));
                    }
                    answers
                })
            })
            .collect();
        for n in 1..SWAPS {
            if n % 2 == 0 {
                policies.write("set.yaml", "roles: { reader: [");
                assert_eq!(reload()["outcome"], "rejected_syntax");
            }
            policies.write("set.yaml", &generation(n));
            learn(n, &reload());
        }
        done.store(true, Ordering::Relaxed);
        asking.into_iter().flat_map(|thread| thread.join().expect("a thread that asks")).collect()
    });

    let known = known.into_inner().expect("known");
    assert_eq!(known.len(), SWAPS, "every generation was live under a revision of its own");
    assert!(answers.len() > SWAPS, "only {} answers", answers.len());
    for (asked, answer) in &answers {
        let live = known.get(answer["revision"].as_str().expect("a revision"));
        let live = live.unwrap_or_else(|| panic!("a revision that never was: {answer}"));
        let wanted = if live == asked { "granted" } else { "user_unknown" };
        assert_eq!(answer["reason"]["code"], wanted, "generation {asked} under {live}: {answer}");
    }
    let revisions: std::collections::BTreeSet<_> =
        answers.iter().map(|(_, answer)| answer["revision"].to_string()).collect();
    assert!(revisions.len() > 1, "the storm was over before anybody asked");
}

#[test]
fn many_who_ask_at_once_are_all_answered() {
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let sidecar = Sidecar::builder().policies(policies.path()).config(QUICK).start();
    policies.write("set.yaml", &generation(1));
    let revisions: Vec<Value> = std::thread::scope(|scope| {
        let ask = || sidecar.admin_post("/v1/policies/reload", &json!({})).json()["revision"].clone();
        let asking: Vec<_> = (0..32).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().expect("a thread that asks")).collect()
    });
    assert!(revisions.iter().all(|revision| *revision == revisions[0]), "{revisions:?}");
    wait_for("one swap", SOON, || sidecar.count("sidegate_policy_reloads_total", &[r#"outcome="swapped""#]) == 1);
}
