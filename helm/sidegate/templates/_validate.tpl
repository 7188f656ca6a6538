{{/* What must hold between values, each with a message that says what to do. The schema has looked at each by itself. */}}

{{- define "sidegate.validate" -}}
{{- $problems := list -}}
{{- $values := .Values -}}
{{- $sidecar := eq .Values.mode "sidecar" -}}
{{- range $key, $instead := dict "policies" "`policies.source` and `policies.directory`" "audit" "`data`" -}}
  {{- if dig $key "directory" "" $values.config -}}
    {{- $problems = append $problems (printf "`config.%s.directory` is set by the chart: use %s" $key $instead) -}}
  {{- end -}}
{{- end -}}
{{- range $listener := list "authorize" "admin" "ops" -}}
  {{- $listen := include "sidegate.listen" (dict "context" $ "listener" $listener) -}}
  {{- if not (regexMatch ":[1-9][0-9]*$" $listen) -}}
    {{- $problems = append $problems (printf "`config.server.%s.listen` needs an address and a port that is known beforehand, not `%s`" $listener $listen) -}}
  {{- end -}}
{{- end -}}
{{- if not (include "sidegate.isOpen" (dict "context" . "listener" "ops")) -}}
  {{- $problems = append $problems "`config.server.ops.listen` is a loopback address, which probes of the kubelet cannot reach: leave it to the chart" -}}
{{- end -}}
{{- if and (eq "required" (dig "server" "ops" "tls" "client_certificates" "" .Values.config)) (include "sidegate.speaksTls" (dict "context" . "listener" "ops")) -}}
  {{- $problems = append $problems "probes of the kubelet show no certificate: `config.server.ops.tls.client_certificates` is `off`" -}}
{{- end -}}
{{- $problems = concat $problems (include "sidegate.validate.callers" . | fromJsonArray) -}}
{{- $problems = concat $problems (include "sidegate.validate.policies" . | fromJsonArray) -}}
{{- $problems = concat $problems (include "sidegate.validate.data" . | fromJsonArray) -}}
{{- $problems = concat $problems (include "sidegate.validate.pods" . | fromJsonArray) -}}
{{- $alerts := list -}}
{{- range (.Files.Get "files/prometheus-rules.yaml" | fromYaml).groups -}}
  {{- range .rules -}}
    {{- $alerts = append $alerts (default "" .alert) -}}
  {{- end -}}
{{- end -}}
{{- range concat $values.prometheusRule.disabled (keys $values.prometheusRule.overrides) -}}
  {{- if not (has . $alerts) -}}
    {{- $problems = append $problems (printf "`prometheusRule`: there is no alert `%s` in files/prometheus-rules.yaml" .) -}}
  {{- end -}}
{{- end -}}
{{- if and $sidecar $values.sidecar.native (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) -}}
  {{- $problems = append $problems (printf "`sidecar.native` needs Kubernetes 1.29, this is %s: set `sidecar.native: false`" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- with $problems -}}
  {{- fail (printf "\n\nsidegate: these values do not go together:\n- %s\n" (join "\n- " .)) -}}
{{- end -}}
{{- end -}}

{{/* Beyond the pod whoever asks has to be known: that is somebody's decision, so that there is no default. */}}
{{- define "sidegate.validate.callers" -}}
{{- $problems := list -}}
{{- if include "sidegate.isOpen" (dict "context" . "listener" "authorize") -}}
  {{- $inEnvironment := false -}}
  {{- range .Values.extraEnv -}}
    {{- if eq .name "SIDEGATE_SERVER__AUTHORIZE__CALLERS" -}}
      {{- $inEnvironment = true -}}
    {{- end -}}
  {{- end -}}
  {{- if not (or (dig "server" "authorize" "callers" list .Values.config) $inEnvironment .Values.extraEnvFrom) -}}
    {{- $problems = append $problems "decisions would be served to whoever reaches the pods: list who may ask in `config.server.authorize.callers`, each with the digest of a token (`sidegate token` makes one) or the names of its certificates" -}}
  {{- end -}}
{{- else if ne .Values.mode "sidecar" -}}
  {{- $problems = append $problems "`config.server.authorize.listen` is a loopback address, which nobody outside the pod can reach: leave it to the chart, or use `mode: sidecar`" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "sidegate.validate.policies" -}}
{{- $problems := list -}}
{{- with .Values.policies -}}
  {{- if and (eq .source "git") (empty .git.repo) -}}
    {{- $problems = append $problems "`policies.git.repo` says where the policy set is, since `policies.source` is `git`" -}}
  {{- end -}}
  {{- if and (eq .source "git") (ne .git.auth "none") (empty .git.existingSecret) -}}
    {{- $problems = append $problems (printf "`policies.git.existingSecret` names the Secret that `policies.git.auth: %s` needs" .git.auth) -}}
  {{- end -}}
  {{- if and (eq .source "image") (empty .image.repository) -}}
    {{- $problems = append $problems "`policies.image.repository` names the image with the policy set, since `policies.source` is `image`" -}}
  {{- end -}}
  {{- if and (eq .source "image") (empty .image.tag) (empty .image.digest) -}}
    {{- $problems = append $problems "`policies.image.tag` or `policies.image.digest` says which image has the policy set" -}}
  {{- end -}}
  {{- if and (eq .source "image") (eq .image.method "copy") (empty (trimAll "/" .directory)) -}}
    {{- $problems = append $problems "`policies.directory` names the directory of the image that is copied, since `policies.image.method` is `copy`" -}}
  {{- end -}}
  {{- if and (eq .source "path") (not (hasPrefix "/" .directory)) -}}
    {{- $problems = append $problems "`policies.directory` is an absolute path, since `policies.source` is `path`" -}}
  {{- end -}}
  {{- if and .configMap.existingName .configMap.files -}}
    {{- $problems = append $problems "`policies.configMap.files` has no effect beside `policies.configMap.existingName`: keep one of them" -}}
  {{- end -}}
  {{- if and .configMap.items (not .configMap.existingName) -}}
    {{- $problems = append $problems "`policies.configMap.items` belongs to `policies.configMap.existingName`: names in `policies.configMap.files` may have directories themselves" -}}
  {{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* One process at a time may use a data directory. */}}
{{- define "sidegate.validate.data" -}}
{{- $problems := list -}}
{{- $mode := .Values.mode -}}
{{- $data := .Values.data -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}
{{- if and (eq $mode "deployment") (eq $data.volume "claim") $several -}}
  {{- $problems = append $problems "the pods of a deployment would share one claim, and one process at a time may use a data directory: use `mode: statefulset` for a claim each, `data.volume: ephemeral`, or `replicaCount: 1` without `autoscaling`" -}}
{{- end -}}
{{- if and (eq $mode "deployment") (eq $data.volume "hostPath") $several -}}
  {{- $problems = append $problems "two pods of a deployment may be on one node, and one process at a time may use a data directory: use `mode: daemonset` with `data.volume: hostPath`" -}}
{{- end -}}
{{- if and (eq $mode "deployment") (or (eq $data.volume "claim") (eq $data.volume "hostPath")) .Values.updateStrategy -}}
  {{- if ne (default "RollingUpdate" .Values.updateStrategy.type) "Recreate" -}}
    {{- $problems = append $problems (printf "with `data.volume: %s` the new pod would wait for the data directory that the old one holds: `updateStrategy.type` is `Recreate`" $data.volume) -}}
  {{- end -}}
{{- end -}}
{{- if and (eq $mode "daemonset") (eq $data.volume "claim") -}}
  {{- $problems = append $problems "a daemon set cannot make a claim for each of its pods: use `data.volume: hostPath` or `ephemeral`" -}}
{{- end -}}
{{- if and (eq $mode "daemonset") (eq $data.volume "hostPath") (dig "rollingUpdate" "maxSurge" 0 .Values.updateStrategy) -}}
  {{- $problems = append $problems "with `data.volume: hostPath` the new pod of a node would wait for the data directory that the old one holds: leave out `updateStrategy.rollingUpdate.maxSurge`" -}}
{{- end -}}
{{- if and (eq $mode "sidecar") (eq $data.volume "claim") -}}
  {{- $problems = append $problems "pods that are not the chart's cannot be given a claim each: use `data.volume: ephemeral`, or `existing` with a claim template of your own stateful set" -}}
{{- end -}}
{{- if and (eq $mode "statefulset") (has $data.volume (list "hostPath" "existing")) -}}
  {{- $problems = append $problems (printf "`data.volume: %s` would be one directory for all pods of a stateful set, and one process at a time may use it: use `claim`" $data.volume) -}}
{{- end -}}
{{- if and $data.existingClaim (not (and (eq $mode "deployment") (eq $data.volume "claim"))) -}}
  {{- $problems = append $problems "`data.existingClaim` belongs to `mode: deployment` with `data.volume: claim`" -}}
{{- end -}}
{{- if and (eq $data.volume "hostPath") (empty $data.hostPath) -}}
  {{- $problems = append $problems "`data.hostPath` names the directory of the node, since `data.volume` is `hostPath`" -}}
{{- end -}}
{{- if and (eq $data.volume "existing") (empty $data.existingVolume) -}}
  {{- $problems = append $problems "`data.existingVolume` names the volume of the pod, since `data.volume` is `existing`" -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{- define "sidegate.validate.pods" -}}
{{- $problems := list -}}
{{- $values := .Values -}}
{{- if and (eq $values.mode "daemonset") $values.autoscaling.enabled -}}
  {{- $problems = append $problems "`autoscaling.enabled` has no effect on a daemon set, which has one pod a node" -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (gt (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas)) -}}
  {{- $problems = append $problems "`autoscaling.minReplicas` is more than `autoscaling.maxReplicas`" -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (eq (int $values.autoscaling.targetCPUUtilizationPercentage) 0) (empty $values.autoscaling.metrics) -}}
  {{- $problems = append $problems "`autoscaling` aims at nothing: give `autoscaling.targetCPUUtilizationPercentage` or `autoscaling.metrics`" -}}
{{- end -}}
{{- if and (eq $values.mode "sidecar") $values.autoscaling.enabled -}}
  {{- $problems = append $problems "`autoscaling.enabled` has no effect with `mode: sidecar`: the pods are not the chart's" -}}
{{- end -}}
{{- if and (eq $values.mode "sidecar") $values.serviceMonitor.enabled -}}
  {{- $problems = append $problems "`serviceMonitor.enabled` has no effect with `mode: sidecar`, which has no Service: use `podMonitor.enabled`" -}}
{{- end -}}
{{- if and $values.serviceMonitor.enabled $values.podMonitor.enabled -}}
  {{- $problems = append $problems "`serviceMonitor.enabled` and `podMonitor.enabled` would read everything twice: keep one of them" -}}
{{- end -}}
{{- if and (ne $values.mode "sidecar") $values.podDisruptionBudget.enabled (not (empty (toString $values.podDisruptionBudget.minAvailable))) (not (empty (toString $values.podDisruptionBudget.maxUnavailable))) -}}
  {{- $problems = append $problems "`podDisruptionBudget` takes one of `minAvailable` and `maxUnavailable`: set the other to `\"\"`" -}}
{{- end -}}
{{- $deadline := dig "shutdown" "deadline" "" (include "sidegate.config" . | fromYaml) -}}
{{- if and (ne $values.mode "sidecar") (regexMatch "^[0-9]+ *(ms|s|m|h|d)$" $deadline) -}}
  {{- if ge (int (include "sidegate.seconds" $deadline)) (int $values.terminationGracePeriodSeconds) -}}
    {{- $problems = append $problems (printf "`terminationGracePeriodSeconds: %d` is not longer than `shutdown.deadline: %s`: the kubelet would kill what is still being stopped" (int $values.terminationGracePeriodSeconds) $deadline) -}}
  {{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
