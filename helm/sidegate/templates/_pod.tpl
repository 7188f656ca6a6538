{{/* The pod of a service of its own. */}}

{{/* Not empty where a new pod cannot run beside the old one of the same node. */}}
{{- define "sidegate.oldPodFirst" -}}
{{- if or .Values.hostNetwork (has (include "sidegate.data.kind" .) (list "claim" "hostPath")) -}}yes{{- end -}}
{{- end -}}

{{- define "sidegate.pod" -}}
metadata:
  labels:
    {{- include "sidegate.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $annotations := include "sidegate.sidecar.annotations" . | fromYaml }}
  {{- with mergeOverwrite (default dict $annotations) .Values.commonAnnotations .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "sidegate.serviceAccountName" . }}
  automountServiceAccountToken: false
  # The environment sets Sidegate's settings; it should hold nothing that other objects put there.
  enableServiceLinks: false
  {{- with include "sidegate.imagePullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if .Values.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- with .Values.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- $before := include "sidegate.initContainers" (dict "context" .) }}
  {{- if or $before .Values.extraInitContainers }}
  initContainers:
    {{- with $before }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    {{- include "sidegate.containers" . | nindent 4 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "sidegate.volumes" . | trim | nindent 4 }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if and .Values.topologySpreadConstraints (ne .Values.mode "daemonset") }}
  topologySpreadConstraints:
    {{- range .Values.topologySpreadConstraints }}
    - labelSelector:
        matchLabels:
          {{- include "sidegate.selectorLabels" $ | nindent 10 }}
      {{- toYaml (omit . "labelSelector") | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
