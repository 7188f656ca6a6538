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
{{- if and (eq "required" (dig "server" "ops" "tls" "client_certificates" "" .Values.config | toString)) (include "sidegate.speaksTls" (dict "context" . "listener" "ops")) -}}
  {{- $problems = append $problems "probes of the kubelet show no certificate: `config.server.ops.tls.client_certificates` is `off`" -}}
{{- end -}}
{{- $problems = concat $problems (include "sidegate.validate.callers" . | fromJsonArray) -}}
{{- $problems = concat $problems (include "sidegate.validate.policies" . | fromJsonArray) -}}
{{- $problems = concat $problems (include "sidegate.validate.data" . | fromJsonArray) -}}
{{- $problems = concat $problems (include "sidegate.validate.pods" . | fromJsonArray) -}}
{{- $problems = concat $problems (include "sidegate.validate.sidecar" . | fromJsonArray) -}}
{{- if and $values.serviceMonitor.enabled $values.podMonitor.enabled -}}
  {{- $problems = append $problems "`serviceMonitor.enabled` and `podMonitor.enabled` would read everything twice: keep one of them" -}}
{{- end -}}
{{- if and (not $sidecar) (ne $values.service.type "ClusterIP") $values.networkPolicy.enabled (empty $values.networkPolicy.authorizeFrom) -}}
  {{- $problems = append $problems (printf "`service.type: %s` is for callers from outside, and the NetworkPolicy lets in pods of the same namespace alone: name the others in `networkPolicy.authorizeFrom`, such as `{ ipBlock: { cidr: 192.0.2.0/24 } }`" $values.service.type) -}}
{{- end -}}
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
  {{- $bytes := 0 -}}
  {{- range .configMap.files -}}
    {{- $bytes = add $bytes (len .) -}}
  {{- end -}}
  {{- if gt (int64 $bytes) 1000000 -}}
    {{- $problems = append $problems (printf "`policies.configMap.files` are %d bytes, and a ConfigMap takes no more than 1 MiB: use `policies.source: git` or `image`" $bytes) -}}
  {{- end -}}
  {{- if and .configMap.items (not .configMap.existingName) -}}
    {{- $problems = append $problems "`policies.configMap.items` belongs to `policies.configMap.existingName`: names in `policies.configMap.files` may have directories themselves" -}}
  {{- end -}}
{{- end -}}
{{- toJson $problems -}}
{{- end -}}
