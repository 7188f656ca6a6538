//! How pods are replaced: what a new one needs of the old one, and what a sidecar's own pods take over.

use super::chart::{Chart, example};
use serde_json::{Value, json};

/// A volume of `extraVolumes` in which the data is.
const CLAIM: &str = "data.volume=existing,data.existingVolume=kept,extraVolumes[0].name=kept,extraVolumes[0].persistentVolumeClaim.claimName=kept";

#[test]
fn a_new_pod_comes_first_unless_it_needs_what_the_old_one_holds() {
    let rolling = |unavailable: u8, surge: u8| json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": unavailable, "maxSurge": surge } });
    let own = CLAIM.replace("persistentVolumeClaim.claimName=kept", "hostPath.path=/kept");
    let cases = [
        ("replicaCount=2".to_owned(), rolling(0, 1)),
        ("replicaCount=2,hostNetwork=true".to_owned(), rolling(1, 0)),
        (CLAIM.to_owned(), json!({ "type": "Recreate" })),
        (own.clone(), json!({ "type": "Recreate" })),
        ("mode=daemonset".to_owned(), rolling(0, 1)),
        ("mode=daemonset,data.volume=ephemeral".to_owned(), rolling(0, 1)),
        ("mode=daemonset,hostNetwork=true".to_owned(), rolling(1, 0)),
        ("mode=daemonset,data.volume=hostPath,data.hostPath=/kept".to_owned(), rolling(1, 0)),
        (format!("mode=daemonset,{own}"), rolling(1, 0)),
        ("mode=daemonset,updateStrategy.type=OnDelete".to_owned(), json!({ "type": "OnDelete" })),
    ];
    for (values, expected) in cases {
        let chart = Chart::with("values-demo.yaml", &["--set", &values]);
        let kind = if values.starts_with("mode=daemonset") { "DaemonSet" } else { "Deployment" };
        let spec = &chart.one(kind)["spec"];
        let given = if kind == "DaemonSet" { &spec["updateStrategy"] } else { &spec["strategy"] };
        assert_eq!(*given, expected, "{values}");
    }
}

#[test]
fn a_pod_without_resources_has_none() {
    let chart = Chart::with("values-demo.yaml", &["--set", "resources=null"]);
    let (_, pod) = chart.pods().into_iter().find(|(kind, _)| *kind == "Deployment").expect("a deployment");
    assert!(pod["containers"][0].get("resources").is_none(), "{pod}");
}

/// What one release has, others would have as well.
#[test]
fn the_dashboard_is_made_once() {
    let chart = Chart::with("values-sidecar.yaml", &["--set", "dashboard.enabled=true,dashboard.inSidecar=true"]);
    assert!(chart.config_map("-dashboard").is_some());
}

#[test]
fn the_pods_of_an_application_get_the_volumes_and_secrets_of_the_values() {
    let more = "sidegate.imagePullSecrets[0].name=registry,sidegate.extraVolumes[0].name=certificates,\
                sidegate.extraVolumes[0].secret.secretName=certificates,sidegate.extraVolumeMounts[0].name=certificates,\
                sidegate.extraVolumeMounts[0].mountPath=/srv/certificates";
    let chart = Chart::render(&["demo", super::chart::built_example(), "--set", more]);
    let pod = &chart.one("Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["imagePullSecrets"], json!([{ "name": "registry" }]));
    let named = |volume: &&Value| volume["name"] == "certificates";
    let volumes = pod["volumes"].as_array().expect("volumes");
    assert_eq!(volumes.iter().find(named).expect("a volume")["secret"]["secretName"], "certificates");
    let without = &example("values.yaml").one("Deployment")["spec"]["template"]["spec"];
    assert!(without.get("imagePullSecrets").is_none());
}

/// Helm reads the word as `false`, and the process would not start with that.
#[test]
fn off_without_quotes_is_off() {
    let schema = std::fs::read_to_string(crate::support::repo("helm/sidegate/values.schema.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let mut keys = Vec::new();
    with_off("config", &schema["properties"]["config"], &mut keys);
    assert_eq!(keys.len(), 4, "{keys:?}");
    for key in keys {
        let chart = Chart::with("values-demo.yaml", &["--set", &format!("{key}=false")]);
        let configuration: Value = serde_yaml::from_str(chart.configuration()).expect("YAML");
        let place = format!("/{}", key.trim_start_matches("config.").replace('.', "/"));
        assert_eq!(configuration.pointer(&place), Some(&json!("off")), "{key}");
    }
}

/// The keys that take the word `off`.
fn with_off(path: &str, schema: &Value, found: &mut Vec<String>) {
    if schema["enum"].as_array().is_some_and(|words| words.contains(&json!("off"))) {
        found.push(path.to_owned());
    }
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        with_off(&format!("{path}.{key}"), below, found);
    }
}
