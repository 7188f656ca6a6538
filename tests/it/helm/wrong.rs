//! Values that are refused, each with a message that names the place.

use super::chart::{CHART, helm};
use std::fs;

/// Arguments over the values of the demo, and what is said.
const WRONG: &[(&[&str], &str)] = &[
    // What the schema knows of one value.
    (&["--set", "replicas=3"], "additional properties 'replicas' not allowed"),
    (&["--set", "image.name=x"], "at '/image': additional properties 'name' not allowed"),
    (&["--set", "replicaCount=many"], "at '/replicaCount': got string, want integer"),
    (&["--set", "replicaCount=-1"], "at '/replicaCount': minimum: got -1, want 0"),
    (
        &["--set", "mode=cronjob"],
        "at '/mode': value must be one of 'deployment', 'daemonset', 'statefulset', 'sidecar'",
    ),
    (&["--set", "image.pullPolicy=Sometimes"], "at '/image/pullPolicy': value must be one of"),
    (&["--set", "image.tag=a b"], "at '/image/tag': 'a b' does not match pattern"),
    (&["--set", "image.digest=sha256:12"], "at '/image/digest': 'sha256:12' does not match pattern"),
    (&["--set", "image.repository=UPPER"], "at '/image/repository': 'UPPER' does not match pattern"),
    (&["--set", "config=text"], "at '/config': got string, want object"),
    (&["--set", "config.server=text"], "at '/config/server': got string, want object"),
    (&["--set", "config.server.authorize=text"], "at '/config/server/authorize': got string, want object"),
    (&["--set", "config.audit.mode=sync"], "at '/config/audit/mode': value must be one of 'durable', 'synced'"),
    (&["--set", "config.polices.watch=false"], "at '/config': additional properties 'polices' not allowed"),
    (&["--set", "config.policies.watch=perhaps"], "at '/config/policies/watch': value must be one of 'true', 'false'"),
    (&["--set", "listenAddress=localhost"], "at '/listenAddress': 'localhost' does not match pattern"),
    (
        &["--set", "policies.source=s3"],
        "at '/policies/source': value must be one of 'configMap', 'git', 'image', 'path'",
    ),
    (&["--set-string", "policies.configMap.files.\\.hidden=x"], "invalid propertyName '.hidden'"),
    (&["--set", "policies.configMap.files.a=5"], "at '/policies/configMap/files/a': got number, want string"),
    (&["--set", "policies.git.period=often"], "at '/policies/git/period': 'often' does not match pattern"),
    (&["--set", "policies.git.auth=token"], "at '/policies/git/auth': value must be one of 'none', 'ssh', 'https'"),
    (&["--set", "policies.image.method=link"], "at '/policies/image/method': value must be one of 'copy', 'volume'"),
    (&["--set", "data.volume=nfs"], "at '/data/volume': value must be one of"),
    (&["--set", "data.size=big"], "at '/data/size': 'big' does not match pattern"),
    (
        &["--set", "data.accessModes={ReadWriteMany}"],
        "at '/data/accessModes/0': value must be one of 'ReadWriteOnce', 'ReadWriteOncePod'",
    ),
    (&["--set", "data.hostPath=relative"], "at '/data/hostPath': 'relative' does not match pattern"),
    (&["--set", "secrets[0].name=x"], "at '/secrets/0': missing property 'secretName'"),
    (&["--set", "secrets[0].name=A_B,secrets[0].secretName=x"], "at '/secrets/0/name': 'A_B' does not match pattern"),
    (&["--set", "service.type=ExternalName"], "at '/service/type': value must be one of"),
    (&["--set", "service.authorizePort=70000"], "at '/service/authorizePort': maximum: got 70,000, want 65,535"),
    (&["--set", "service.opsPort=http"], "at '/service/opsPort': got string, want integer"),
    (&["--set", "podDisruptionBudget.maxUnavailable=half"], "at '/podDisruptionBudget/maxUnavailable'"),
    (&["--set", "podLabels.tier=not a label"], "at '/podLabels/tier': 'not a label' does not match pattern"),
    (&["--set", "podAnnotations.answer=42"], "at '/podAnnotations/answer': got number, want string"),
    (&["--set", "prometheusRule.disabled={Other}"], "at '/prometheusRule/disabled/0': 'Other' does not match pattern"),
    (
        &["--set", "prometheusRule.overrides.SidegateAuditDrops.sum=1"],
        "at '/prometheusRule/overrides/SidegateAuditDrops': additional properties 'sum' not allowed",
    ),
    (&["--set", "serviceMonitor.interval=soon"], "at '/serviceMonitor/interval': 'soon' does not match pattern"),
    (&["--set", "readinessProbe.period=3"], "at '/readinessProbe': additional properties 'period' not allowed"),
    (&["--set", "updateStrategy.type=Now"], "at '/updateStrategy/type': value must be one of"),
    (&["--set", "extraEnv[0].value=x"], "at '/extraEnv/0': missing property 'name'"),
    (&["--set", "terminationGracePeriodSeconds=0"], "at '/terminationGracePeriodSeconds': minimum: got 0, want 1"),
    (&["--set", "test.expect=yes"], "at '/test/expect': value must be one of 'allow', 'deny', 'any'"),
    // What values say to each other.
    (
        &["--set", "config.policies.directory=/x"],
        "`config.policies.directory` is set by the chart: use `policies.source`",
    ),
    (&["--set", "config.audit.directory=/x"], "`config.audit.directory` is set by the chart: use `data`"),
    (&["--set", "config.server.ops.listen=127.0.0.1:8482"], "`config.server.ops.listen` is a loopback address"),
    (
        &["--set", "config.server.authorize.listen=0.0.0.0:0"],
        "`config.server.authorize.listen` needs an address and a port that is known beforehand, not `0.0.0.0:0`",
    ),
    (&["--set", "config.server.authorize.listen=127.0.0.1:8480"], "nobody outside the pod can reach"),
    (
        &["--set", "config.server.ops.tls.certificate=x,config.server.ops.tls.client_certificates=required"],
        "probes of the kubelet show no certificate",
    ),
    (&["--set", "config.server.authorize.callers=null"], "decisions would be served to whoever reaches the pods"),
    (&["--set", "policies.source=git"], "`policies.git.repo` says where the policy set is"),
    (
        &["--set", "policies.source=git,policies.git.repo=x,policies.git.auth=ssh"],
        "`policies.git.existingSecret` names the Secret that `policies.git.auth: ssh` needs",
    ),
    (&["--set", "policies.source=image"], "`policies.image.repository` names the image"),
    (
        &["--set", "policies.source=image,policies.image.repository=x"],
        "`policies.image.tag` or `policies.image.digest`",
    ),
    (
        &["--set", "policies.source=image,policies.image.repository=x,policies.image.tag=v1"],
        "`policies.directory` names the directory of the image that is copied",
    ),
    (&["--set", "policies.source=path,policies.directory=relative"], "`policies.directory` is an absolute path"),
    (&["--set", "policies.configMap.existingName=x"], "`policies.configMap.files` has no effect beside"),
    (
        &["--set", "policies.configMap.items[0].key=a,policies.configMap.items[0].path=b"],
        "`policies.configMap.items` belongs to `policies.configMap.existingName`",
    ),
    (&["--set", "data.volume=claim,replicaCount=2"], "use `mode: statefulset` for a claim each"),
    (&["--set", "data.volume=claim,autoscaling.enabled=true"], "one process at a time may use a data directory"),
    (&["--set", "data.volume=claim,updateStrategy.type=RollingUpdate"], "`updateStrategy.type` is `Recreate`"),
    (
        &["--set", "data.volume=hostPath,replicaCount=2,data.hostPath=/x"],
        "use `mode: daemonset` with `data.volume: hostPath`",
    ),
    (&["--set", "data.volume=claim,mode=daemonset"], "a daemon set cannot make a claim for each of its pods"),
    (
        &["--set", "data.volume=hostPath,mode=daemonset,data.hostPath=/x,updateStrategy.rollingUpdate.maxSurge=1"],
        "leave out `updateStrategy.rollingUpdate.maxSurge`",
    ),
    (&["--set", "data.volume=hostPath"], "`data.hostPath` names the directory of the node"),
    (&["--set", "data.volume=existing"], "`data.existingVolume` names the volume of the pod"),
    (&["--set", "data.volume=claim,mode=sidecar"], "pods that are not the chart's cannot be given a claim each"),
    (
        &["--set", "data.volume=existing,data.existingVolume=x,mode=statefulset"],
        "one directory for all pods of a stateful set",
    ),
    (
        &["--set", "data.existingClaim=x"],
        "`data.existingClaim` belongs to `mode: deployment` with `data.volume: claim`",
    ),
    (&["--set", "mode=daemonset,autoscaling.enabled=true"], "`autoscaling.enabled` has no effect on a daemon set"),
    (
        &["--set", "autoscaling.enabled=true,autoscaling.minReplicas=9"],
        "`autoscaling.minReplicas` is more than `autoscaling.maxReplicas`",
    ),
    (
        &["--set", "autoscaling.enabled=true,autoscaling.targetCPUUtilizationPercentage=0"],
        "`autoscaling` aims at nothing",
    ),
    (&["--set", "mode=sidecar,autoscaling.enabled=true"], "`autoscaling.enabled` has no effect with `mode: sidecar`"),
    (
        &["--set", "mode=sidecar,serviceMonitor.enabled=true"],
        "`serviceMonitor.enabled` has no effect with `mode: sidecar`",
    ),
    (&["--set", "podMonitor.enabled=true,serviceMonitor.enabled=true"], "would read everything twice"),
    (
        &["--set", "podDisruptionBudget.minAvailable=1"],
        "`podDisruptionBudget` takes one of `minAvailable` and `maxUnavailable`",
    ),
    (
        &["--set", "terminationGracePeriodSeconds=20"],
        "`terminationGracePeriodSeconds: 20` is not longer than `shutdown.deadline: 25s`",
    ),
    (
        &["--set", "config.shutdown.deadline=2m"],
        "`terminationGracePeriodSeconds: 30` is not longer than `shutdown.deadline: 2m`",
    ),
    (
        &["--set", "replicaCount=1,data.volume=claim,updateStrategy.rollingUpdate.maxSurge=1"],
        "`updateStrategy.type` is `Recreate`",
    ),
    (&["--set", "prometheusRule.disabled={SidegateAuditDrop}"], "there is no alert `SidegateAuditDrop`"),
    (&["--set", "prometheusRule.overrides.SidegateSlow.for=1m"], "there is no alert `SidegateSlow`"),
    (
        &["--set-json", "config.server.authorize.unix_socket_mode=432"],
        "at '/config/server/authorize/unix_socket_mode': got number, want",
    ),
    (
        &["--set-string", "config.server.authorize.unix_socket_mode=888"],
        "at '/config/server/authorize/unix_socket_mode': '888' does not match pattern",
    ),
    (
        &["--set", "config.policies.activation_tests=true"],
        "at '/config/policies/activation_tests': value must be one of",
    ),
    (
        &["--set", "prometheusRule.scope=everywhere"],
        "at '/prometheusRule/scope': value must be one of 'namespace', 'cluster'",
    ),
    (
        &[
            "--set",
            "replicaCount=2,data.volume=existing,data.existingVolume=x,extraVolumes[0].name=x,extraVolumes[0].persistentVolumeClaim.claimName=y",
        ],
        "would share one claim (`data.volume: existing` of a persistentVolumeClaim)",
    ),
    (
        &[
            "--set",
            "autoscaling.enabled=true,data.volume=existing,data.existingVolume=x,extraVolumes[0].name=x,extraVolumes[0].hostPath.path=/y",
        ],
        "two pods of a deployment may be on one node (`data.volume: existing` of a hostPath)",
    ),
    (
        &[
            "--set",
            "updateStrategy.type=RollingUpdate,data.volume=existing,data.existingVolume=x,extraVolumes[0].name=x,extraVolumes[0].persistentVolumeClaim.claimName=y",
        ],
        "`updateStrategy.type` is `Recreate`",
    ),
    (
        &[
            "--set",
            "mode=daemonset,data.volume=existing,data.existingVolume=x,extraVolumes[0].name=x,extraVolumes[0].persistentVolumeClaim.claimName=y",
        ],
        "a daemon set cannot make a claim for each of its pods (`data.volume: existing`",
    ),
    (
        &[
            "--set",
            "mode=daemonset,data.volume=existing,data.existingVolume=x,extraVolumes[0].name=x,extraVolumes[0].hostPath.path=/y,updateStrategy.rollingUpdate.maxSurge=1",
        ],
        "leave out `updateStrategy.rollingUpdate.maxSurge`",
    ),
    (
        &["--set", "mode=daemonset,hostNetwork=true,updateStrategy.rollingUpdate.maxSurge=1"],
        "with `hostNetwork` the new pod of a node would wait",
    ),
    (
        &["--set", "mode=sidecar,data.volume=hostPath,data.hostPath=/x"],
        "two pods of one node would use one directory (`data.volume: hostPath`)",
    ),
    (
        &[
            "--set",
            "mode=sidecar,data.volume=existing,data.existingVolume=x,extraVolumes[0].name=x,extraVolumes[0].persistentVolumeClaim.claimName=y",
        ],
        "pods that are not the chart's cannot be given a claim each (`data.volume: existing`",
    ),
    (
        &["--set", "data.size=32Mi"],
        "`data.size: 32Mi` is too small: the queues of the audit log take 18 MiB, two segments of `audit.segment.bytes`, or one beside `audit.retention.bytes`, 20 MiB. As the chart sets these two, the least is 49Mi",
    ),
    (&["--set", "data.size=200Mi,config.audit.segment.bytes=128MiB"], "`data.size: 200Mi` is too small"),
    (&["--set", "config.audit.retention.bytes=2GiB"], "`data.size: 2Gi` is too small"),
    (
        &["--set", "replicaCount=1,data.volume=claim,data.size=40Mi,config.audit.ring_bytes=4MiB"],
        "the queues of the audit log take 36 MiB",
    ),
    (
        &["--set", "mode=sidecar,podLabels.tier=x"],
        "`podLabels` has no effect with `mode: sidecar`, where the pods are not the chart's: it belongs to the template of your own pods",
    ),
    (
        &["--set", "mode=sidecar,extraInitContainers[0].name=x"],
        "`extraInitContainers` has no effect with `mode: sidecar`",
    ),
    (&["--set", "mode=sidecar,extraContainers[0].name=x"], "`extraContainers` has no effect with `mode: sidecar`"),
    (
        &["--set", "mode=sidecar,terminationGracePeriodSeconds=60"],
        "`terminationGracePeriodSeconds` has no effect with `mode: sidecar`",
    ),
    (&["--set", "mode=sidecar,hostNetwork=true"], "`hostNetwork` has no effect with `mode: sidecar`"),
    (&["--set", "mode=sidecar,dashboard.enabled=true"], "`dashboard.enabled` is wanted once per Grafana"),
    (
        &["--set", "service.type=LoadBalancer"],
        "the NetworkPolicy lets in pods of the same namespace alone: name the others in `networkPolicy.authorizeFrom`",
    ),
    (&["--set", "service.type=NodePort"], "`service.type: NodePort` is for callers from outside"),
    (
        &["--set", "replicaCount=2,podDisruptionBudget.maxUnavailable=0"],
        "`podDisruptionBudget` would let none of 2 pods go",
    ),
    (
        &["--set", "replicaCount=3,podDisruptionBudget.maxUnavailable=0%"],
        "`podDisruptionBudget` would let none of 3 pods go",
    ),
    (
        &["--set", "replicaCount=2,podDisruptionBudget.minAvailable=2,podDisruptionBudget.maxUnavailable="],
        "`podDisruptionBudget` would let none of 2 pods go",
    ),
    (
        &["--set", "replicaCount=3,podDisruptionBudget.minAvailable=70%,podDisruptionBudget.maxUnavailable="],
        "`podDisruptionBudget` would let none of 3 pods go",
    ),
    (
        &[
            "--set",
            "autoscaling.enabled=true,autoscaling.minReplicas=1,podDisruptionBudget.minAvailable=1,podDisruptionBudget.maxUnavailable=",
        ],
        "`podDisruptionBudget` would let none of 1 pods go",
    ),
    (&["--set", "replicaCount=2,podDisruptionBudget.maxUnavailable="], "and has neither"),
    (&["--set", "replicaCount=2,podDisruptionBudget.maxUnavailable=null"], "and has neither"),
    (&["--set", "autoscaling.enabled=true,resources=null"], "`resources` requests none: give `requests.cpu`"),
    (
        &["--set", "autoscaling.enabled=true,resources.requests.cpu=null"],
        "`resources` requests none: give `requests.cpu`",
    ),
    (
        &["--set", "autoscaling.enabled=true,extraContainers[0].name=x"],
        "`extraContainers: x: resources` requests none: give `requests.cpu`",
    ),
    (
        &["--set", "podLabels.app\\.kubernetes\\.io/name=x"],
        "`podLabels` has `app.kubernetes.io/name`, which the chart sets itself",
    ),
    (
        &["--set", "commonLabels.app\\.kubernetes\\.io/instance=x"],
        "`commonLabels` has `app.kubernetes.io/instance`, which the chart sets itself",
    ),
    (
        &["--set", "mode=sidecar", "--kube-version", "1.28.0"],
        "`sidecar.native` needs Kubernetes 1.29, this is v1.28.0: set `sidecar.native: false`",
    ),
];

#[test]
fn what_is_wrong_is_refused_with_a_message_that_names_the_place() {
    let mut unlike = Vec::new();
    for (args, said) in WRONG {
        let demo = format!("{CHART}/ci/values-demo.yaml");
        let exited = helm([&["template", "demo", CHART, "--values", &demo], *args].concat());
        if exited.code == Some(0) {
            unlike.push(format!("{args:?} is taken"));
        } else if !exited.stderr.contains(said) {
            unlike.push(format!("{args:?}: no `{said}` in {}", exited.stderr));
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

/// Helm reads YAML 1.1, to which `0660` is 432: the socket would let others in.
#[test]
fn a_mode_of_the_socket_is_a_text() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("values.yaml");
    let rendered = |mode: &str| {
        fs::write(&file, format!("config: {{ server: {{ authorize: {{ unix_socket_mode: {mode} }} }} }}\n"))
            .expect("written");
        let (demo, own) = (format!("{CHART}/ci/values-demo.yaml"), file.to_str().expect("UTF-8"));
        helm(["template", "demo", CHART, "--values", &demo, "--values", own])
    };
    let bare = rendered("0660");
    assert!(bare.stderr.contains("'/config/server/authorize/unix_socket_mode': got number"), "{bare:?}");
    let quoted = rendered("\"0660\"");
    assert!(quoted.stdout.contains("unix_socket_mode: \"0660\""), "{quoted:?}");
}

/// A ConfigMap has an end.
#[test]
fn policies_that_no_config_map_can_hold_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("large.yaml");
    let demo = format!("{CHART}/ci/values-demo.yaml");
    let code = |bytes: usize| {
        fs::write(&file, "#".repeat(bytes)).expect("written");
        let set = format!("policies.configMap.files.large\\.yaml={}", file.display());
        helm(["template", "demo", CHART, "--values", &demo, "--set-file", &set])
    };
    assert!(code(1_000_001).stderr.contains("use `policies.source: git` or `image`"));
    assert_eq!(code(900_000).code, Some(0));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let demo = format!("{CHART}/ci/values-demo.yaml");
    let wrong = "data.volume=hostPath,policies.source=git,podMonitor.enabled=true,serviceMonitor.enabled=true";
    let exited = helm(["template", "demo", CHART, "--values", &demo, "--set", wrong]);
    for said in ["`data.hostPath`", "`policies.git.repo`", "would read everything twice"] {
        assert!(exited.stderr.contains(said), "no `{said}` in {}", exited.stderr);
    }
}

/// Who may ask is somebody's decision, so that there is no default.
#[test]
fn a_service_of_its_own_wants_to_be_told_who_may_ask() {
    let exited = helm(["template", "demo", CHART]);
    assert_ne!(exited.code, Some(0));
    assert!(exited.stderr.contains("decisions would be served to whoever reaches the pods"), "{exited:?}");
}
