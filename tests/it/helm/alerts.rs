//! The alerts of a release: what can be changed about them, and that nobody else's failures let them fire.

use super::chart::{CHART, Chart};
use crate::support::{repo, run, tool};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};

/// The groups of a chart's rules.
fn groups(chart: &Chart) -> Value {
    json!({ "groups": chart.one("PrometheusRule")["spec"]["groups"] })
}

/// Every expression.
fn expressions(chart: &Chart) -> Vec<String> {
    let groups = groups(chart);
    let rules = groups["groups"].as_array().expect("groups").iter().filter_map(|group| group["rules"].as_array());
    rules.flatten().map(|rule| rule["expr"].as_str().expect("an expression").to_owned()).collect()
}

/// How many metrics whose names begin so an expression names.
fn named(expression: &str, begins: &[&str]) -> usize {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| begins.iter().any(|begin| word.starts_with(begin))).count()
}

#[test]
fn alerts_can_be_left_out_changed_and_routed() {
    let rules = |name: &str| -> BTreeMap<String, Value> {
        let chart = Chart::scenario(name);
        let groups = chart.one("PrometheusRule")["spec"]["groups"].as_array().expect("groups").clone();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone());
        rules.filter_map(|rule| Some((rule["alert"].as_str()?.to_owned(), rule))).collect()
    };
    let (plain, own) = (rules("values-sidecar.yaml"), rules("values-production.yaml"));
    assert_eq!(plain.len(), own.len() + 1);
    assert!(!own.contains_key("SidegateMailGivenUp"));
    let changed = &own["SidegateReloadFailing"];
    assert_eq!(
        (&changed["for"], &changed["labels"]),
        (&json!("15m"), &json!({ "severity": "critical", "team": "platform" }))
    );
    assert_eq!(
        (&plain["SidegateReloadFailing"]["expr"], &changed["expr"]),
        (
            &json!(r#"sidegate_policy_consecutive_failures{namespace="gates", job="gates/demo-sidegate"} > 0"#),
            &json!(r#"sidegate_policy_consecutive_failures{namespace="gates", job="demo-sidegate"} > 0"#)
        )
    );
    let runbook = changed["annotations"]["runbook_url"].as_str().expect("a link");
    assert_eq!(runbook, "https://git.example.com/platform/sidegate/blob/main/docs/runbooks.md#sidegatereloadfailing");
}

#[test]
fn every_selector_is_of_the_release() {
    let monitors = [
        ("serviceMonitor.enabled=true", r#", job="demo-sidegate""#),
        (
            "serviceMonitor.enabled=true,service.type=NodePort,networkPolicy.enabled=false",
            r#", job="demo-sidegate-inside""#,
        ),
        ("podMonitor.enabled=true", r#", job="gates/demo-sidegate""#),
        // Nobody knows under which job others read the pods.
        ("serviceMonitor.enabled=false", ""),
        (
            "podMonitor.enabled=true,podMonitor.relabelings[0].targetLabel=job,podMonitor.relabelings[0].replacement=x",
            "",
        ),
    ];
    for (monitor, job) in monitors {
        let chart = Chart::with("values-demo.yaml", &["--set", "prometheusRule.enabled=true", "--set", monitor]);
        for expression in expressions(&chart) {
            let (own, volumes) =
                (named(&expression, &["sidegate_", "sidegate:", "git_sync_"]), named(&expression, &["kubelet_"]));
            let matched = expression.matches(&format!(r#"{{namespace="gates"{job}"#)).count();
            let of_volumes = expression.matches(r#"{namespace="gates", persistentvolumeclaim="#).count();
            assert!(own + volumes > 0, "{expression}");
            assert_eq!(
                (matched, of_volumes),
                (own + if job.is_empty() { volumes } else { 0 }, volumes),
                "{monitor}: {expression}"
            );
        }
    }
    let chart = Chart::with("values-demo.yaml", &["--set", "prometheusRule.enabled=true,prometheusRule.scope=cluster"]);
    assert!(expressions(&chart).iter().all(|expression| !expression.contains("namespace=")));
    let text = fs::read_to_string(repo(CHART).join("files/prometheus-rules.yaml")).expect("the rules");
    let file: Value = serde_yaml::from_str(&text).expect("YAML");
    assert_eq!(file["groups"][0]["rules"][0]["expr"], groups(&chart)["groups"][0]["rules"][0]["expr"]);
}

/// Three that are broken in every way: the release, a neighbour in its namespace, and a namesake elsewhere.
fn broken() -> Vec<Value> {
    let releases = [("gates", "demo-sidegate"), ("gates", "other-sidegate"), ("elsewhere", "demo-sidegate")];
    let of = |(namespace, release): (&str, &str)| {
        let own = format!(r#"namespace="{namespace}", job="{release}", instance="a""#);
        let volume =
            format!(r#"namespace="{namespace}", job="kubelet", persistentvolumeclaim="sidegate-data-{release}-0""#);
        [
            (format!("sidegate_audit_store_failing{{{own}}}"), "1+0x60"),
            (format!(r#"git_sync_count_total{{{own}, container="sidegate-git-sync", status="error"}}"#), "0+2x60"),
            (format!(r#"git_sync_count_total{{{own}, container="sidegate-git-sync", status="noop"}}"#), "7+0x60"),
            (format!("kubelet_volume_stats_available_bytes{{{volume}}}"), "10+0x60"),
            (format!("kubelet_volume_stats_capacity_bytes{{{volume}}}"), "100+0x60"),
        ]
    };
    releases.into_iter().flat_map(of).map(|(series, values)| json!({ "series": series, "values": values })).collect()
}

#[test]
fn each_release_is_told_of_its_own_failures_alone() {
    let own = json!([
        { "labels": r#"{alertname="SidegateAuditStoreFailing", namespace="gates", job="demo-sidegate"}"#, "value": 1 },
        { "labels": r#"{alertname="SidegateGitSyncFailing", namespace="gates", job="demo-sidegate"}"#, "value": 1 },
        { "labels": r#"{alertname="SidegateVolumeFilling", namespace="gates", job="kubelet"}"#, "value": 1 },
    ]);
    let everybody = json!(
        ["SidegateAuditStoreFailing", "SidegateGitSyncFailing", "SidegateVolumeFilling"]
            .map(|name| json!({ "labels": format!("{{alertname=\"{name}\"}}"), "value": 3 }))
    );
    for (scope, by, expected) in [("namespace", "alertname, namespace, job", own), ("cluster", "alertname", everybody)]
    {
        let chart = Chart::with("values-production.yaml", &["--set", &format!("prometheusRule.scope={scope}")]);
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::write(folder.path().join("rules.yaml"), groups(&chart).to_string()).expect("written");
        let test = json!({
            "rule_files": ["rules.yaml"],
            "evaluation_interval": "1m",
            "tests": [{
                "interval": "1m",
                "input_series": broken(),
                "promql_expr_test": [{
                    "expr": format!("count by ({by}) (ALERTS{{alertstate=\"firing\"}})"),
                    "eval_time": "45m",
                    "exp_samples": expected,
                }],
            }],
        });
        let file = folder.path().join("test.yaml");
        fs::write(&file, test.to_string()).expect("written");
        let mut promtool = tool("prometheus/usr/bin/promtool");
        promtool.args(["test", "rules"]).arg(&file);
        let exited = run(promtool);
        assert_eq!(exited.code, Some(0), "{scope}: {exited:?}");
    }
}

/// git-sync tells what became of its syncs, and whoever reads Sidegate reads that.
#[test]
fn metrics_of_git_sync_are_read() {
    let chart = Chart::scenario("values-production.yaml");
    let endpoints = chart.one("ServiceMonitor")["spec"]["endpoints"].as_array().expect("endpoints").clone();
    assert_eq!(endpoints.iter().map(|endpoint| &endpoint["port"]).collect::<Vec<_>>(), ["http-ops", "http-git"]);
    let read = chart.all("Service").find(|service| service["metadata"]["labels"]["sidegate.io/service"] == "pods");
    let ports = read.expect("a Service")["spec"]["ports"].as_array().expect("ports").clone();
    let port = ports.iter().find(|port| port["name"] == "http-git").expect("its port");
    assert_eq!((&port["port"], &port["targetPort"]), (&json!(8483), &json!("sidegate-git")));
    let without = Chart::with("values-production.yaml", &["--set", "policies.git.metricsPort=0"]);
    assert!(!without.text.contains("http-git"));
}
