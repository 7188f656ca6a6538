//! What a release must not do to the cluster around it: fill a volume, open a port, hold a node.

use super::chart::{Chart, all};
use serde_json::{Value, json};

#[test]
fn the_log_keeps_within_a_volume_that_goes_with_its_pod() {
    let bytes = |more: &[&str]| {
        let chart = Chart::with("values-demo.yaml", more);
        let configuration: Value = serde_yaml::from_str(chart.configuration()).expect("YAML");
        configuration["audit"]["retention"].clone()
    };
    for (more, expected) in [
        (&[][..], json!({ "bytes": "1024MiB" })),
        (&["--set", "data.size=500M"], json!({ "bytes": "238MiB" })),
        (&["--set", "data.size=1.5Gi"], json!({ "bytes": "768MiB" })),
        (&["--set", "data.volume=ephemeral,data.size=1Ti"], json!({ "bytes": "524288MiB" })),
        (&["--set", "config.audit.retention.bytes=100MiB"], json!({ "bytes": "100MiB" })),
        (&["--set", "config.audit.retention.age=30d"], json!({ "age": "30d", "bytes": "1024MiB" })),
        // What was put on a disk that stays is not thrown away unasked.
        (&["--set", "replicaCount=1,data.volume=claim"], Value::Null),
    ] {
        assert_eq!(bytes(more), expected, "{more:?}");
    }
    let said = |more: &[&str]| Chart::notes_of(&[&["--values", "helm/sidegate/ci/values-demo.yaml"], more].concat());
    let warns = |more: &[&str]| said(more).contains("nothing keeps the audit log smaller than its volume");
    assert!(warns(&["--set", "replicaCount=1,data.volume=claim"]));
    assert!(
        warns(&["--set", "replicaCount=1,data.volume=claim,config.audit.retention.age=30d"]),
        "nobody knows how much that is"
    );
    assert!(!warns(&["--set", "replicaCount=1,data.volume=claim,config.audit.retention.bytes=1GiB"]));
    assert!(!warns(&[]));
}

/// Retention removes whole segments: of the usual size, one alone would be more than a small volume holds.
#[test]
fn a_segment_is_a_part_of_what_the_volume_holds() {
    for (values, expected) in [
        ("data.size=2Gi", Value::Null),
        ("data.size=1Gi", Value::Null),
        ("data.size=500M", json!({ "bytes": "59MiB" })),
        ("data.size=200Mi,data.volume=ephemeral", json!({ "bytes": "25MiB" })),
        ("data.size=49Mi", json!({ "bytes": "6MiB" })),
        ("data.size=400Mi,data.volume=claim", json!({ "bytes": "50MiB" })),
        ("data.size=400Mi,data.volume=claim,data.existingClaim=x", Value::Null),
        ("data.size=200Mi,config.audit.segment.bytes=40MiB", json!({ "bytes": "40MiB" })),
    ] {
        let chart = Chart::with("values-demo.yaml", &["--set", values]);
        let configuration: Value = serde_yaml::from_str(chart.configuration()).expect("YAML");
        assert_eq!(configuration["audit"]["segment"], expected, "{values}");
    }
}

/// What is shown for production keeps what it records.
#[test]
fn in_production_each_pod_has_a_log_that_outlives_it() {
    let chart = Chart::scenario("values-production.yaml");
    let spec = &chart.one("StatefulSet")["spec"];
    assert_eq!(
        spec["persistentVolumeClaimRetentionPolicy"],
        json!({ "whenDeleted": "Retain", "whenScaled": "Retain" })
    );
    assert_eq!(spec["volumeClaimTemplates"][0]["metadata"]["name"], "sidegate-data");
    let configuration: Value = serde_yaml::from_str(chart.configuration()).expect("YAML");
    assert!(configuration["audit"]["retention"]["bytes"].is_string(), "{configuration}");
    assert!(configuration["audit"]["checkpoint"]["webhook"].is_string(), "{configuration}");
    for (name, _) in
        all().iter().filter(|(name, _)| name.starts_with("values-production") || name.starts_with("values-s"))
    {
        let notes = super::chart::notes(name);
        assert!(!notes.contains("whoever was invited"), "{name}: {notes}");
    }
    assert!(!super::chart::notes("values-production.yaml").contains("WARNING"));
}

#[test]
fn from_outside_decisions_alone_can_be_reached() {
    for kind in ["LoadBalancer", "NodePort"] {
        let chart = Chart::with("values-everything.yaml", &["--set", &format!("service.type={kind}")]);
        let names = |service: &Value| -> Vec<String> {
            let ports = service["spec"]["ports"].as_array().expect("ports").iter();
            ports.map(|port| port["name"].as_str().expect("a name").to_owned()).collect()
        };
        for service in chart.all("Service") {
            let is_open = service["spec"]["type"] == kind;
            assert_eq!(names(service) == ["http-ask"], is_open, "{service}");
            // The monitor reads each pod once, by the Service that has the port.
            let is_read = service["metadata"]["labels"]["sidegate.io/service"] == "pods";
            assert!(!is_read || names(service).contains(&"http-ops".to_owned()), "{service}");
        }
        let read =
            chart.all("Service").filter(|service| service["metadata"]["labels"]["sidegate.io/service"] == "pods");
        assert_eq!(read.count(), 1, "{kind}");
    }
}

#[test]
fn a_budget_is_one_that_can_be_kept() {
    for (name, chart) in all() {
        let is_counted =
            chart.all("Deployment").chain(chart.all("StatefulSet")).any(|pods| pods["spec"]["replicas"] != 1);
        assert!(is_counted || chart.all("PodDisruptionBudget").count() == 0, "{name}");
    }
    let scaled = ["--set", "autoscaling.enabled=true,autoscaling.minReplicas=1,autoscaling.maxReplicas=8"];
    assert_eq!(Chart::with("values-demo.yaml", &scaled).all("PodDisruptionBudget").count(), 1);
}

#[test]
fn each_endpoint_of_a_monitor_is_read_as_the_values_say() {
    let values =
        "podMonitor.enabled=true,podMonitor.interval=17s,podMonitor.scrapeTimeout=9s,policies.git.metricsPort=9090";
    let chart = Chart::with("values-sidecar-git.yaml", &["--set", values]);
    let endpoints = chart.one("PodMonitor")["spec"]["podMetricsEndpoints"].as_array().expect("endpoints");
    assert_eq!(endpoints.len(), 2);
    for endpoint in endpoints {
        assert_eq!((&endpoint["interval"], &endpoint["scrapeTimeout"]), (&json!("17s"), &json!("9s")), "{endpoint}");
    }
}
