{{/* What must hold between values of the pods and their data. */}}

{{/* One process at a time may use a data directory. */}}
{{- define "sidegate.validate.data" -}}
{{- $problems := list -}}
{{- $mode := .Values.mode -}}
{{- $data := .Values.data -}}
{{- $kind := include "sidegate.data.kind" . -}}
{{- $is := ternary (printf "`data.volume: %s`" $kind) (printf "`data.volume: existing` of a %s" (ternary "persistentVolumeClaim" $kind (eq $kind "claim"))) (eq $kind $data.volume) -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}
{{- if and (eq $mode "deployment") (eq $kind "claim") $several -}}
  {{- $problems = append $problems (printf "the pods of a deployment would share one claim (%s), and one process at a time may use a data directory: use `mode: statefulset` for a claim each, `data.volume: ephemeral`, or `replicaCount: 1` without `autoscaling`" $is) -}}
{{- end -}}
{{- if and (eq $mode "deployment") (eq $kind "hostPath") $several -}}
  {{- $problems = append $problems (printf "two pods of a deployment may be on one node (%s), and one process at a time may use a data directory: use `mode: daemonset` with `data.volume: hostPath`" $is) -}}
{{- end -}}
{{- if and (eq $mode "deployment") (has $kind (list "claim" "hostPath")) .Values.updateStrategy -}}
  {{- if ne (default "RollingUpdate" .Values.updateStrategy.type) "Recreate" -}}
    {{- $problems = append $problems (printf "with %s the new pod would wait for the data directory that the old one holds: `updateStrategy.type` is `Recreate`" $is) -}}
  {{- end -}}
{{- end -}}
{{- if and (eq $mode "daemonset") (eq $kind "claim") -}}
  {{- $problems = append $problems (printf "a daemon set cannot make a claim for each of its pods (%s): use `data.volume: hostPath` or `ephemeral`" $is) -}}
{{- end -}}
{{- $surge := toString (dig "rollingUpdate" "maxSurge" 0 .Values.updateStrategy) -}}
{{- if and (eq $mode "daemonset") (include "sidegate.oldPodFirst" .) (not (has $surge (list "0" "0%"))) -}}
  {{- $problems = append $problems (printf "with %s the new pod of a node would wait for what the old one holds: leave out `updateStrategy.rollingUpdate.maxSurge`" (ternary "`hostNetwork`" $is .Values.hostNetwork)) -}}
{{- end -}}
{{- if and (eq $mode "sidecar") (eq $kind "claim") -}}
  {{- $problems = append $problems (printf "pods that are not the chart's cannot be given a claim each (%s): use `data.volume: ephemeral`, or `existing` with a claim template of your own stateful set" $is) -}}
{{- end -}}
{{- if and (eq $mode "sidecar") (eq $kind "hostPath") -}}
  {{- $problems = append $problems (printf "two pods of one node would use one directory (%s), and one process at a time may: use `data.volume: ephemeral`; for a daemon set of your own `existing`, with the volume in its template" $is) -}}
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
{{- toJson (concat $problems (include "sidegate.validate.size" . | fromJsonArray)) -}}
{{- end -}}

{{/* The queues have their room from the start, retention leaves a whole segment beside what may be kept, and 256 KiB are put by. */}}
{{- define "sidegate.validate.size" -}}
{{- $problems := list -}}
{{- if include "sidegate.data.isSized" . -}}
  {{- $config := include "sidegate.config" . | fromYaml -}}
  {{- $mebi := 1048576 -}}
  {{- $workers := dig "server" "authorize" "workers" 0 $config | int64 | default 8 -}}
  {{- $ring := dig "audit" "ring_bytes" "2MiB" $config | include "sidegate.bytes" | int64 -}}
  {{- $queues := add (mul (add $workers 1) $ring) 262144 -}}
  {{- $segment := dig "audit" "segment" "bytes" "128MiB" $config | include "sidegate.bytes" | int64 -}}
  {{- $kept := dig "audit" "retention" "bytes" "never" $config | include "sidegate.bytes" | int64 -}}
  {{- $needed := add $queues (max (mul 2 $segment) (add $kept $segment)) -}}
  {{- if gt $needed (include "sidegate.bytes" .Values.data.size | int64) -}}
    {{- $problems = append $problems (printf "`data.size: %s` is too small: the queues of the audit log take %d MiB, two segments of `audit.segment.bytes`, or one beside `audit.retention.bytes`, %d MiB. As the chart sets these two, the least is %dMi" .Values.data.size (max 1 (div $queues $mebi)) (div (sub $needed $queues) $mebi) (add 1 (div (mul 8 $queues) (mul 3 $mebi)))) -}}
  {{- end -}}
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
{{- $problems = concat $problems (include "sidegate.validate.requests" . | fromJsonArray) -}}
{{- $problems = concat $problems (include "sidegate.validate.budget" . | fromJsonArray) -}}
{{- range $where := list "commonLabels" "podLabels" -}}
  {{- range list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" -}}
    {{- if hasKey (get $values $where) . -}}
      {{- $problems = append $problems (printf "`%s` has `%s`, which the chart sets itself and finds its pods by: name it otherwise" $where .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $deadline := dig "shutdown" "deadline" "" (include "sidegate.config" . | fromYaml) -}}
{{- if and (ne $values.mode "sidecar") (regexMatch "^[0-9]+ *(ms|s|m|h|d)$" $deadline) -}}
  {{- if ge (int (include "sidegate.seconds" $deadline)) (int $values.terminationGracePeriodSeconds) -}}
    {{- $problems = append $problems (printf "`terminationGracePeriodSeconds: %d` is not longer than `shutdown.deadline: %s`: the kubelet would kill what is still being stopped" (int $values.terminationGracePeriodSeconds) $deadline) -}}
  {{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* Utilisation is a share of what is requested: without a request in every container there is none, and nothing is ever scaled. */}}
{{- define "sidegate.validate.requests" -}}
{{- $problems := list -}}
{{- $values := .Values -}}
{{- if $values.autoscaling.enabled -}}
  {{- $wanted := list -}}
  {{- if $values.autoscaling.targetCPUUtilizationPercentage -}}
    {{- $wanted = append $wanted "cpu" -}}
  {{- end -}}
  {{- range $values.autoscaling.metrics -}}
    {{- if eq "Utilization" (dig "resource" "target" "type" "" .) -}}
      {{- $wanted = append $wanted .resource.name -}}
    {{- end -}}
  {{- end -}}
  {{- $containers := dict "resources" (default dict $values.resources) -}}
  {{- if eq $values.policies.source "git" -}}
    {{- $_ := set $containers "policies.git.resources" (default dict $values.policies.git.resources) -}}
  {{- end -}}
  {{- range $values.extraContainers -}}
    {{- $_ := set $containers (printf "extraContainers: %s: resources" .name) (default dict .resources) -}}
  {{- end -}}
  {{- range $resource := uniq $wanted -}}
    {{- range $place, $given := $containers -}}
      {{- if not (or (dig "requests" $resource "" $given) (dig "limits" $resource "" $given)) -}}
        {{- $problems = append $problems (printf "`autoscaling` aims at a share of the `%s` that is requested, and `%s` requests none: give `requests.%s`" $resource $place $resource) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* One of the two numbers of a budget as a text; empty where it is not set, which zero is. */}}
{{- define "sidegate.budget" -}}
{{- if not (kindIs "invalid" .) -}}{{- toString . -}}{{- end -}}
{{- end -}}

{{/* A budget that lets no pod go keeps a node from being drained for ever. */}}
{{- define "sidegate.validate.budget" -}}
{{- $problems := list -}}
{{- $replicas := int (include "sidegate.replicas" .) -}}
{{- $several := or .Values.autoscaling.enabled (gt $replicas 1) -}}
{{- with .Values.podDisruptionBudget -}}
  {{- $most := include "sidegate.budget" .maxUnavailable -}}
  {{- $least := include "sidegate.budget" .minAvailable -}}
  {{- if and .enabled (ne $.Values.mode "sidecar") -}}
    {{- if and $most $least -}}
      {{- $problems = append $problems "`podDisruptionBudget` takes one of `minAvailable` and `maxUnavailable`: set the other to `\"\"`" -}}
    {{- else if not (or $most $least) -}}
      {{- $problems = append $problems "`podDisruptionBudget` takes one of `minAvailable` and `maxUnavailable`, and has neither" -}}
    {{- else if and $several (has $.Values.mode (list "deployment" "statefulset")) -}}
      {{- $kept := ternary (ceil (divf (mulf (trimSuffix "%" $least) $replicas) 100)) (float64 $least) (hasSuffix "%" $least) -}}
      {{- if or (has $most (list "0" "0%")) (and $least (ge (int $kept) $replicas)) -}}
        {{- $problems = append $problems (printf "`podDisruptionBudget` would let none of %d pods go, so that no node of theirs can be drained: `maxUnavailable` is at least 1, `minAvailable` less than there are pods" $replicas) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}

{{/* The pods are not the chart's: what would be theirs has no effect. */}}
{{- define "sidegate.validate.sidecar" -}}
{{- $problems := list -}}
{{- $values := .Values -}}
{{- if eq $values.mode "sidecar" -}}
  {{- if $values.autoscaling.enabled -}}
    {{- $problems = append $problems "`autoscaling.enabled` has no effect with `mode: sidecar`: the pods are not the chart's" -}}
  {{- end -}}
  {{- if $values.serviceMonitor.enabled -}}
    {{- $problems = append $problems "`serviceMonitor.enabled` has no effect with `mode: sidecar`, which has no Service: use `podMonitor.enabled`" -}}
  {{- end -}}
  {{- $theirs := list -}}
  {{- range list "podLabels" "podAnnotations" "updateStrategy" "nodeSelector" "tolerations" "affinity" "priorityClassName" "hostNetwork" "dnsPolicy" "extraContainers" "extraInitContainers" -}}
    {{- if get $values . -}}
      {{- $theirs = append $theirs . -}}
    {{- end -}}
  {{- end -}}
  {{- /* 30 is Kubernetes' own. */ -}}
  {{- if ne (int $values.terminationGracePeriodSeconds) 30 -}}
    {{- $theirs = append $theirs "terminationGracePeriodSeconds" -}}
  {{- end -}}
  {{- range $theirs -}}
    {{- $problems = append $problems (printf "`%s` has no effect with `mode: sidecar`, where the pods are not the chart's: it belongs to the template of your own pods" .) -}}
  {{- end -}}
  {{- if and $values.dashboard.enabled (not $values.dashboard.inSidecar) -}}
    {{- $problems = append $problems "`dashboard.enabled` is wanted once per Grafana, and every application with a sidecar would bring the same one: leave it to one release, with `dashboard.inSidecar: true`" -}}
  {{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
