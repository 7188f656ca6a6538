//! What every pod of every scenario keeps to, and what becomes of its data.

use super::chart::{Chart, all, container, containers, example};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn every_container_is_locked_down_and_bounded() {
    let mut seen = 0;
    for (name, chart) in all() {
        for (kind, pod) in chart.pods() {
            assert_eq!(pod["automountServiceAccountToken"], false, "{name}: {kind}");
            for container in containers(pod) {
                let given = &container["securityContext"];
                let shown = format!("{name}: {kind}: {}", container["name"]);
                assert_eq!(given["runAsNonRoot"], true, "{shown}");
                assert_eq!(given["readOnlyRootFilesystem"], true, "{shown}");
                assert_eq!(given["allowPrivilegeEscalation"], false, "{shown}");
                assert_eq!(given["capabilities"], json!({ "drop": ["ALL"] }), "{shown}");
                assert_eq!(given["seccompProfile"], json!({ "type": "RuntimeDefault" }), "{shown}");
                assert!(given["runAsUser"].as_u64().is_some_and(|user| user > 1000), "{shown}");
                let image = container["image"].as_str().expect("an image");
                assert!(
                    !image.ends_with(":latest") && (image.contains(':') || image.contains('@')),
                    "{shown}: {image}"
                );
                // Those that a user adds are the user's.
                if !["wait", "proxy"].contains(&container["name"].as_str().expect("a name")) {
                    assert!(container["resources"]["requests"]["memory"].is_string(), "{shown}");
                    assert!(container["resources"]["limits"]["memory"].is_string(), "{shown}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "{seen} containers");
}

#[test]
fn every_mount_has_its_volume_and_none_is_a_sub_path() {
    for (name, chart) in all() {
        assert!(!chart.text.contains("subPath"), "{name}");
        for (kind, pod) in chart.pods() {
            let none = Vec::new();
            let listed = pod["volumes"].as_array().unwrap_or(&none);
            let mut volumes: BTreeSet<_> =
                listed.iter().map(|volume| volume["name"].as_str().expect("a name")).collect();
            assert_eq!(volumes.len(), listed.len(), "{name}: two volumes have one name");
            if kind == "StatefulSet" {
                volumes.insert("sidegate-data");
            }
            // A volume of the team's own chart, which the values name.
            if name == "values-sidecar-git.yaml" {
                volumes.insert("audit");
            }
            for container in containers(pod) {
                for mount in container["volumeMounts"].as_array().unwrap_or(&none) {
                    let volume = mount["name"].as_str().expect("a name");
                    assert!(volumes.contains(volume), "{name}: {kind}: no volume `{volume}`");
                }
            }
        }
    }
}

#[test]
fn config_maps_that_are_mounted_are_made_and_hold_what_is_mounted() {
    for (name, chart) in all() {
        for (_, pod) in chart.pods() {
            for volume in pod["volumes"].as_array().into_iter().flatten() {
                let Some(wanted) = volume["configMap"]["name"].as_str() else { continue };
                if wanted == "back-office-policies" {
                    continue;
                }
                let found = chart.all("ConfigMap").find(|object| object["metadata"]["name"] == wanted);
                let found = found.unwrap_or_else(|| panic!("{name}: no ConfigMap `{wanted}`"));
                for item in volume["configMap"]["items"].as_array().into_iter().flatten() {
                    let key = item["key"].as_str().expect("a key");
                    assert!(found["data"][key].is_string(), "{name}: no key `{key}` in {found}");
                }
            }
        }
    }
}

#[test]
fn the_policies_that_are_configured_are_below_what_is_mounted() {
    for (name, chart) in all() {
        let configuration: Value = serde_yaml::from_str(chart.configuration()).expect("YAML");
        let directory = configuration["policies"]["directory"].as_str().expect("a directory");
        for (kind, pod) in chart.pods() {
            if kind == "Pod" {
                continue;
            }
            let mounts = container(pod, "sidegate")["volumeMounts"].as_array().expect("mounts");
            let mounted = mounts.iter().filter_map(|mount| mount["mountPath"].as_str());
            assert!(mounted.clone().any(|path| directory.starts_with(path)), "{name}: {directory}");
            assert!(mounted.clone().any(|path| configuration["audit"]["directory"] == path), "{name}");
            let writable = mounts.iter().filter(|mount| mount["readOnly"] != true);
            assert_eq!(writable.count(), 1, "{name}: the data alone is writable");
        }
    }
}

#[test]
fn probes_look_where_the_listeners_are() {
    for (name, chart) in all() {
        let configuration: Value = serde_yaml::from_str(chart.configuration()).expect("YAML");
        let listens = |listener: &str| {
            let address = configuration["server"][listener]["listen"].as_str().expect("an address").to_owned();
            let (host, port) =
                address.rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).expect("a port");
            (host, port.parse::<u64>().expect("a number"))
        };
        for (kind, pod) in chart.pods().into_iter().filter(|(kind, _)| *kind != "Pod") {
            let gate = container(pod, "sidegate");
            let ports: BTreeMap<_, _> = gate["ports"]
                .as_array()
                .expect("ports")
                .iter()
                .map(|port| (port["name"].as_str().expect("a name"), port["containerPort"].as_u64().expect("a port")))
                .collect();
            for (probe, path) in
                [("startupProbe", "/healthz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")]
            {
                let get = &gate[probe]["httpGet"];
                assert_eq!(
                    (&get["path"], &get["port"]),
                    (&json!(path), &json!("sidegate-ops")),
                    "{name}: {kind}: {probe}"
                );
            }
            for (listener, port) in
                [("authorize", "sidegate-ask"), ("admin", "sidegate-admin"), ("ops", "sidegate-ops")]
            {
                let (host, number) = listens(listener);
                let is_open = host != "127.0.0.1";
                assert_eq!(ports.get(port).copied(), is_open.then_some(number), "{name}: {listener} on {host}");
            }
            let is_beside = chart.objects.iter().all(|object| object["kind"] != "Service");
            assert_eq!(listens("authorize").0 == "127.0.0.1", is_beside, "{name}");
        }
    }
}

#[test]
fn one_process_at_a_time_uses_a_claim() {
    let single = Chart::scenario("values-single.yaml");
    let deployment = single.one("Deployment");
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]),
        (&json!(1), &json!({ "type": "Recreate" }))
    );
    let claim = single.one("PersistentVolumeClaim");
    assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().expect("volumes");
    let data = volumes.iter().find(|volume| volume["name"] == "sidegate-data").expect("the data");
    assert_eq!(data["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    // It would be the only pod that keeps a node from being drained.
    assert_eq!(single.all("PodDisruptionBudget").count(), 0);

    let each = Chart::scenario("values-statefulset.yaml");
    let spec = &each.one("StatefulSet")["spec"];
    assert_eq!(spec["volumeClaimTemplates"][0]["spec"]["accessModes"], json!(["ReadWriteOncePod"]));
    assert_eq!(
        spec["persistentVolumeClaimRetentionPolicy"],
        json!({ "whenDeleted": "Retain", "whenScaled": "Retain" })
    );
    let headless =
        each.all("Service").find(|service| service["spec"]["clusterIP"] == "None").expect("a headless service");
    assert_eq!(spec["serviceName"], headless["metadata"]["name"]);

    let rolling = Chart::scenario("values-demo.yaml");
    assert_eq!(rolling.one("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
}

#[test]
fn the_pod_of_the_test_is_not_one_of_those_that_answer() {
    for (name, chart) in all() {
        for test in chart.all("Pod") {
            let labels = test["metadata"]["labels"].as_object().expect("labels");
            for object in &chart.objects {
                let spec = &object["spec"];
                let chooses =
                    [&spec["selector"], &spec["selector"]["matchLabels"], &spec["podSelector"]["matchLabels"]];
                for selector in chooses.into_iter().filter_map(Value::as_object).filter(|selector| !selector.is_empty())
                {
                    let fits = selector.iter().all(|(label, value)| labels.get(label) == Some(value));
                    assert!(!fits, "{name}: {} {} chooses it", object["kind"], object["metadata"]["name"]);
                }
            }
        }
    }
}

#[test]
fn questions_stay_on_the_node_of_a_daemon_set() {
    let chart = Chart::scenario("values-daemonset.yaml");
    assert_eq!(chart.one("Service")["spec"]["internalTrafficPolicy"], "Local");
    assert!(chart.one("DaemonSet")["spec"]["template"]["spec"].get("topologySpreadConstraints").is_none());
    assert!(chart.one("DaemonSet")["spec"].get("replicas").is_none());
    let spread = Chart::scenario("values-production.yaml");
    let spec = &spread.one("StatefulSet")["spec"];
    assert!(spec.get("replicas").is_none(), "the autoscaler says how many");
    let constraints = spec["template"]["spec"]["topologySpreadConstraints"].as_array().expect("constraints");
    assert_eq!(constraints.len(), 2);
    assert!(constraints.iter().all(|one| one["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"]));
}

#[test]
fn a_native_sidecar_starts_before_the_application_and_its_policies_before_it() {
    let order = |values: &str| {
        let pod = &example(values).one("Deployment")["spec"]["template"]["spec"];
        let names = |list: &str| -> Vec<String> {
            let all = pod[list].as_array().cloned().unwrap_or_default();
            let named = |one: &Value| {
                let name = one["name"].as_str().expect("a name");
                if one["restartPolicy"] == "Always" { format!("{name} stays") } else { name.to_owned() }
            };
            all.iter().map(named).collect()
        };
        (names("initContainers"), names("containers"))
    };
    let of = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(order("values.yaml"), (of(&["sidegate stays"]), of(&["shop"])));
    assert_eq!(
        order("values-git.yaml"),
        (of(&["sidegate-git-sync-once", "sidegate-git-sync stays", "sidegate stays"]), of(&["shop"]))
    );
    assert_eq!(order("values-image.yaml"), (of(&["sidegate-policies", "sidegate stays"]), of(&["shop"])));
    assert_eq!(order("values-plain.yaml"), (of(&[]), of(&["sidegate", "shop"])));
}

/// The annotation by which pods know their configuration.
fn checksum(chart: &Chart) -> String {
    let annotations = &chart.one("Deployment")["spec"]["template"]["metadata"]["annotations"];
    annotations["checksum/sidegate-config"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_change_of_the_configuration_makes_new_pods_and_one_of_the_policies_does_not() {
    let before = checksum(&Chart::scenario("values-demo.yaml"));
    assert_eq!(before.len(), 64);
    let configured = Chart::with("values-demo.yaml", &["--set", "config.telemetry.log.level=debug"]);
    assert_ne!(checksum(&configured), before);
    let policies = Chart::with("values-demo.yaml", &["--set", "policies.configMap.files.more\\.yaml=users: {}"]);
    assert!(policies.config_map("-policies").expect("policies")["data"]["more.yaml"].is_string());
    assert_eq!(checksum(&policies), before, "they go live without a new pod");
    assert_eq!(checksum(&Chart::scenario("values-everything.yaml")), "", "where it is switched off");
}

#[test]
fn secrets_are_named_and_never_in_a_config_map() {
    let chart = Chart::scenario("values-production.yaml");
    let pod = &chart.one("StatefulSet")["spec"]["template"]["spec"];
    let volumes = pod["volumes"].as_array().expect("volumes");
    for (volume, secret) in [("sidegate-secret-audit", "sidegate-audit"), ("sidegate-git-secret", "sidegate-git")] {
        let found = volumes.iter().find(|found| found["name"] == volume).expect("a volume");
        assert_eq!(
            (&found["secret"]["secretName"], &found["secret"]["defaultMode"]),
            (&json!(secret), &json!(0o440)),
            "{found}"
        );
    }
    assert_eq!(pod["securityContext"]["fsGroup"], 65532, "who may read them");
    assert!(chart.configuration().contains("signing_key: /etc/sidegate/secrets/audit/key.pem"));
    let git = Chart::scenario("values-sidecar-git.yaml");
    assert!(git.pods().is_empty(), "the pods are those of another chart");
}

/// Some clusters refuse pods that choose a user themselves.
#[test]
fn the_cluster_can_choose_users_and_groups() {
    let nobody = "securityContext.runAsUser=null,securityContext.runAsGroup=null,podSecurityContext.fsGroup=null";
    let chart = Chart::with("values-demo.yaml", &["--set", nobody]);
    for chosen in ["runAsUser", "runAsGroup", "fsGroup:"] {
        assert!(!chart.text.contains(chosen), "{chosen} in\n{}", chart.text);
    }
}

#[test]
fn the_network_policy_lets_in_who_is_named() {
    let rules = |name: &str| Chart::scenario(name).one("NetworkPolicy")["spec"].clone();
    let demo = rules("values-demo.yaml");
    assert_eq!(demo["policyTypes"], json!(["Ingress"]));
    assert_eq!(demo["ingress"][0]["from"], json!([{ "podSelector": {} }]), "pods of the same namespace");
    assert_eq!(demo["ingress"].as_array().map(Vec::len), Some(2), "nobody administers");
    let production = rules("values-production.yaml");
    assert_eq!(production["policyTypes"], json!(["Ingress", "Egress"]));
    let ports: Vec<_> =
        production["ingress"].as_array().expect("rules").iter().map(|rule| &rule["ports"][0]["port"]).collect();
    assert_eq!(ports, ["sidegate-ask", "sidegate-admin", "sidegate-ops"]);
    assert!(production["ingress"].as_array().expect("rules").iter().all(|rule| rule["from"].is_array()));
}
