{{/*
For charts that put Sidegate beside their own containers. Each takes the context of this chart, which a parent has as
`.Subcharts.sidegate`; helm/examples/shop shows all of it.

  sidegate.sidecar.initContainers   before the pod's own init containers that ask for decisions
  sidegate.sidecar.containers       before the pod's own containers; empty with `sidecar.native`
  sidegate.sidecar.volumes          with those of `extraVolumes`
  sidegate.sidecar.labels           labels of the pod, by which the PodMonitor finds it
  sidegate.sidecar.annotations      annotations of the pod: what configuration it has
  sidegate.sidecar.podSecurityContext  the group that may write the data volume and read Secrets
  sidegate.sidecar.imagePullSecrets    `imagePullSecrets:` with those of the values; empty where there are none
*/}}

{{- define "sidegate.sidecar.initContainers" -}}
{{- include "sidegate.initContainers" (dict "context" . "native" .Values.sidecar.native) -}}
{{- end -}}

{{- define "sidegate.sidecar.containers" -}}
{{- if not .Values.sidecar.native -}}
{{- include "sidegate.containers" . -}}
{{- end -}}
{{- end -}}

{{- define "sidegate.sidecar.volumes" -}}
{{- include "sidegate.volumes" . | trim -}}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{- define "sidegate.sidecar.imagePullSecrets" -}}
{{- include "sidegate.imagePullSecrets" . -}}
{{- end -}}

{{- define "sidegate.sidecar.labels" -}}
sidegate.io/sidecar: {{ include "sidegate.fullname" . }}
{{- end -}}

{{- define "sidegate.sidecar.annotations" -}}
{{- if .Values.rolloutOnConfigChange -}}
checksum/sidegate-config: {{ include "sidegate.config" . | sha256sum }}
{{- end -}}
{{- end -}}

{{- define "sidegate.sidecar.podSecurityContext" -}}
{{- toYaml (pick .Values.podSecurityContext "fsGroup" "fsGroupChangePolicy") -}}
{{- end -}}

{{- define "sidegate.initContainers" -}}
{{- $all := list (include "sidegate.policies.initContainers" .context | trim) -}}
{{- if .native -}}
{{- if eq .context.Values.policies.source "git" -}}
{{- $all = append $all (include "sidegate.gitSync" (dict "context" .context "name" "sidegate-git-sync" "native" true) | trim) -}}
{{- end -}}
{{- $all = append $all (include "sidegate.container" . | trim) -}}
{{- end -}}
{{- without $all "" | join "\n" -}}
{{- end -}}

{{- define "sidegate.containers" -}}
{{- $all := list (include "sidegate.container" (dict "context" .) | trim) -}}
{{- if eq .Values.policies.source "git" -}}
{{- $all = append $all (include "sidegate.gitSync" (dict "context" . "name" "sidegate-git-sync") | trim) -}}
{{- end -}}
{{- $all | join "\n" -}}
{{- end -}}
