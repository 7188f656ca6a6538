{{/* The configuration: what the chart sets, with `config` over it, and what the chart reads out of the two. */}}

{{- define "sidegate.config.own" -}}
server:
  authorize:
    listen: {{ printf "%s:8480" (ternary "127.0.0.1" .Values.listenAddress (eq .Values.mode "sidecar")) | quote }}
  admin:
    listen: 127.0.0.1:8481
  ops:
    # The kubelet and Prometheus come from outside the pod.
    listen: {{ printf "%s:8482" .Values.listenAddress | quote }}
policies:
  directory: {{ include "sidegate.policies.directory" . }}
audit:
  directory: /var/lib/sidegate
  {{- if has .Values.data.volume (list "emptyDir" "ephemeral") }}
  # The volume goes with its pod, and a pod whose `emptyDir` outgrows its limit is evicted: the oldest records go before that.
  retention:
    bytes: {{ include "sidegate.share" (dict "size" .Values.data.size "parts" 2) }}MiB
  {{- end }}
  {{- if include "sidegate.data.isSized" . }}
  {{- $segment := include "sidegate.share" (dict "size" .Values.data.size "parts" 8) | int64 }}
  {{- if lt $segment 128 }}
  # Only whole segments go: of the usual size one alone would be more than may be kept.
  segment:
    bytes: {{ $segment }}MiB
  {{- end }}
  {{- end }}
shutdown:
  {{- if and (eq .Values.mode "sidecar") .Values.sidecar.native }}
  # Kubernetes stops the application first.
  delay: 0s
  deadline: 15s
  {{- else }}
  # Time for endpoints, or for the application beside it, to notice.
  delay: 5s
  deadline: 25s
  {{- end }}
{{- end -}}

{{/* Not empty where the chart says how large the data volume is. */}}
{{- define "sidegate.data.isSized" -}}
{{- $volume := .Values.data.volume -}}
{{- if or (has $volume (list "emptyDir" "ephemeral")) (and (eq $volume "claim") (empty .Values.data.existingClaim)) -}}yes{{- end -}}
{{- end -}}

{{/* One of so many `parts` of a `size`, in whole MiB, at least one. */}}
{{- define "sidegate.share" -}}
{{- max 1 (div (include "sidegate.bytes" .size | int64) (mul .parts 1048576)) -}}
{{- end -}}

{{/* A quantity of Kubernetes or a size of the configuration in bytes; empty where it is neither, such as `never`. */}}
{{- define "sidegate.bytes" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text | trim | trimSuffix "B" -}}
{{- $factors := dict "" 1 "k" 1000 "K" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if and $number (hasKey $factors $unit) -}}
{{- mulf (float64 $number) (get $factors $unit) | int64 -}}
{{- end -}}
{{- end -}}

{{/* A duration of the configuration, such as `90s` or `2m`, in whole seconds, rounded down. */}}
{{- define "sidegate.seconds" -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- $factors := dict "" 1.0 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 -}}
{{- mulf (float64 $number) (get $factors (trim (trimPrefix $number .))) | int64 -}}
{{- end -}}

{{- define "sidegate.config" -}}
{{- $config := mergeOverwrite (include "sidegate.config.own" . | fromYaml) (deepCopy .Values.config) -}}
{{- /* Helm reads the word `off` without quotes as `false`. */ -}}
{{- range list "policies.activation_tests" "server.authorize.tls.client_certificates" "server.admin.tls.client_certificates" "server.ops.tls.client_certificates" -}}
  {{- $names := splitList "." . -}}
  {{- $within := $config -}}
  {{- range initial $names -}}
    {{- $within = get $within . | default dict -}}
  {{- end -}}
  {{- if kindIs "bool" (get $within (last $names)) -}}
    {{- $_ := set $within (last $names) "off" -}}
  {{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The address of a listener: `context`, `listener`. */}}
{{- define "sidegate.listen" -}}
{{- $config := include "sidegate.config" .context | fromYaml -}}
{{- dig "server" .listener "listen" "" $config -}}
{{- end -}}

{{- define "sidegate.port" -}}
{{- regexFind "[0-9]+$" (include "sidegate.listen" .) -}}
{{- end -}}

{{/* Not empty where a listener can be reached from outside the pod. */}}
{{- define "sidegate.isOpen" -}}
{{- if not (regexMatch "^(127\\.|\\[::1\\])" (include "sidegate.listen" .)) -}}yes{{- end -}}
{{- end -}}

{{/* Not empty where a listener speaks TLS: `context`, `listener`. */}}
{{- define "sidegate.speaksTls" -}}
{{- if dig "server" .listener "tls" "certificate" "" .context.Values.config -}}yes{{- end -}}
{{- end -}}

{{- define "sidegate.policies.directory" -}}
{{- $below := trimAll "/" .Values.policies.directory -}}
{{- if eq .Values.policies.source "path" -}}
{{- .Values.policies.directory -}}
{{- else if and (eq .Values.policies.source "image") (eq .Values.policies.image.method "copy") -}}
/etc/sidegate/policies
{{- else -}}
{{- $root := ternary "/etc/sidegate/policies/current" "/etc/sidegate/policies" (eq .Values.policies.source "git") -}}
{{- ternary (printf "%s/%s" $root $below) $root (not (empty $below)) -}}
{{- end -}}
{{- end -}}

{{/* Keys of a ConfigMap have no slash. */}}
{{- define "sidegate.policies.key" -}}
{{- . | replace "/" "__" -}}
{{- end -}}
