//! The Helm chart, rendered by the real Helm: every scenario of `helm/sidegate/ci`, the worked example, what is refused.
//!
//! There is no cluster here. What a cluster would look at is looked at by the same schemas, and what it would run is run.

/// Whom failures are told.
mod alerts;
/// Helm, and what it renders.
mod chart;
/// What a release must not do to the cluster around it.
mod limits;
/// Every container, volume and claim.
mod pods;
/// How pods are replaced and moved.
mod replaced;
/// The objects at work: configuration, sidecar, `helm test`.
mod runs;
/// Values that are refused.
mod wrong;

use crate::support::{repo, run, tool};
use chart::{CHART, Chart, EXAMPLE, all, helm, scenarios};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn the_chart_has_no_blemish_in_any_scenario() {
    for scenario in scenarios() {
        let values = format!("{CHART}/ci/{scenario}");
        let exited = helm(["lint", "--strict", CHART, "--values", &values]);
        assert_eq!(exited.code, Some(0), "{scenario}: {exited:?}");
        assert!(exited.stdout.contains("0 chart(s) failed"), "{scenario}: {exited:?}");
    }
}

/// What the validation says about objects, each with where it is from; empty where all are good.
fn validate(objects: &[(String, Value)]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let input = folder.path().join("objects.json");
    let listed: Vec<_> = objects.iter().map(|(from, object)| json!({ "from": from, "object": object })).collect();
    fs::write(&input, json!(listed).to_string()).expect("written");
    let mut command = tool("python/bin/python");
    command.arg(repo("tests/it/helm/validate.py")).arg(repo(".tools/prometheus-operator")).arg(&input);
    let exited = run(command);
    assert_eq!(exited.code, Some(0), "{exited:?}");
    let said: Vec<String> = exited.stdout.lines().map(str::to_owned).collect();
    let (last, problems) = said.split_last().expect("the validation ends with a count");
    assert_eq!(*last, format!("{} objects", objects.len()));
    problems.to_vec()
}

#[test]
fn neither_has_the_worked_example() {
    let exited = helm(["lint", "--strict", chart::built_example()]);
    assert_eq!(exited.code, Some(0), "{exited:?}");
}

#[test]
fn every_object_is_one_that_kubernetes_takes() {
    let mut objects = Vec::new();
    for (name, chart) in all() {
        assert!(!chart.objects.is_empty(), "{name}");
        let namespaced = chart.objects.iter().map(|object| (name.clone(), object.clone()));
        objects.extend(namespaced);
    }
    let problems = validate(&objects);
    assert!(problems.is_empty(), "{problems:#?}");

    let kinds: BTreeSet<_> = objects.iter().map(|(_, object)| object["kind"].as_str().expect("a kind")).collect();
    let all = [
        "ConfigMap",
        "DaemonSet",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Pod",
        "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule",
        "Secret",
        "Service",
        "ServiceAccount",
        "ServiceMonitor",
        "StatefulSet",
    ];
    assert_eq!(kinds, BTreeSet::from(all), "each kind that the chart can make is in a scenario");
}

#[test]
fn the_validation_finds_what_kubernetes_would_refuse() {
    let mut deployment = Chart::scenario("values-demo.yaml").one("Deployment").clone();
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolicies"] = json!("Always");
    let mut monitor = Chart::scenario("values-sidecar.yaml").one("PodMonitor").clone();
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = json!("30s");
    let mut service = Chart::scenario("values-demo.yaml").one("Service").clone();
    service["spec"]["ports"][0]["port"] = json!("http");
    let unknown = json!({ "apiVersion": "example.com/v1", "kind": "Gate", "metadata": { "name": "x" } });
    let wrong = [("a", deployment), ("b", monitor), ("c", service), ("d", unknown)];
    let problems = validate(&wrong.map(|(from, object)| (from.to_owned(), object)));
    assert_eq!(problems.len(), 4, "{problems:#?}");
    for (problem, names) in problems.iter().zip(["imagePullPolicies", "intervall", "http", "Gate"]) {
        assert!(problem.contains(names), "{problem}");
    }
}

#[test]
fn a_release_can_be_named_as_anybody_likes() {
    let long = "a-name-of-a-release-that-is-as-long-as-helm-takes-it";
    for name in ["x", "sidegate", long] {
        let chart = Chart::render(&[name, CHART, "--values", &format!("{CHART}/ci/values-statefulset.yaml")]);
        for object in &chart.objects {
            let name = object["metadata"]["name"].as_str().expect("a name");
            assert!(name.len() <= 63, "{name}");
        }
        assert_eq!(chart.objects.iter().filter(|object| object["kind"] == "Service").count(), 2);
    }
    let problems: Vec<_> = Chart::render(&[long, CHART, "--values", &format!("{CHART}/ci/values-demo.yaml")])
        .objects
        .into_iter()
        .map(|object| (long.to_owned(), object))
        .collect();
    assert_eq!(validate(&problems), Vec::<String>::new());
}

#[test]
fn the_notes_say_what_has_to_be_known() {
    let says = [
        ("values-demo.yaml", "a token or a certificate of `config.server.authorize.callers`"),
        (
            "values-demo.yaml",
            "with the token of the Secret `gate-helm-test`:\n\n  helm test demo --namespace gates --logs",
        ),
        ("values-production.yaml", "Upgrade with `test.tokenSecret: demo-sidegate-test`"),
        ("values-tls.yaml", "https://demo-sidegate.gates.svc:8480/v1/authorize"),
        ("values-demo.yaml", "never by `subPath`"),
        ("values-single.yaml", "There is no NetworkPolicy as a second fence"),
        ("values-image-volume.yaml", "an audit log and a directory of users of its own"),
        ("values-image-volume.yaml", "of the sort `emptyDir`: they are gone with their pod"),
        ("values-sidecar.yaml", "of the sort `ephemeral`: they are gone with their pod"),
        ("values-daemonset.yaml", "While pods are replaced each node is without answers for some seconds"),
        ("values-sidecar.yaml", "`.Subcharts.sidegate` of a parent"),
        ("values-sidecar-git.yaml", "never by `subPath`"),
    ];
    for (scenario, text) in says {
        let notes = chart::notes(scenario);
        assert!(notes.contains(text), "{scenario} does not say `{text}`: {notes}");
    }
    // A test that could not pass is not recommended.
    assert!(!chart::notes("values-production.yaml").contains("helm test"));
    let invites = "config.directory.invitations.link=https://app.example/{token}";
    for (values, warns) in [
        (&["--set-string", invites][..], false),
        (&["--set-string", invites, "--set", "replicaCount=2"], true),
        (&["--set-string", invites, "--set", "autoscaling.enabled=true"], true),
        (&["--set", "config.mail.transport=smtp,mode=daemonset"], true),
        (&["--set", "replicaCount=2"], false),
    ] {
        let notes = Chart::notes_of(&[&["--values", "helm/sidegate/ci/values-demo.yaml"], values].concat());
        assert_eq!(
            notes.contains("whoever was invited through one pod is unknown to the"),
            warns,
            "{values:?}: {notes}"
        );
    }
    let without_policies = Chart::notes_of(&["--set", "extraEnv[0].name=SIDEGATE_SERVER__AUTHORIZE__CALLERS"]);
    assert!(without_policies.contains("everything is denied"), "{without_policies}");
}

#[test]
fn the_versions_of_chart_and_product_are_those_of_the_package() {
    let version = concat!("version: ", env!("CARGO_PKG_VERSION"));
    for chart in [CHART, EXAMPLE] {
        let text = fs::read_to_string(repo(chart).join("Chart.yaml")).expect("Chart.yaml");
        assert!(text.lines().any(|line| line.trim() == version), "{chart}: {text}");
    }
    let text = fs::read_to_string(repo(CHART).join("Chart.yaml")).expect("Chart.yaml");
    assert!(text.contains(concat!("appVersion: ", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(Path::new(&repo(CHART)).join("values.schema.json").exists());
}
