{{/* Containers, volumes and mounts: the same for the chart's own pods and for those of a team that includes them. */}}

{{/* Sidegate itself: `context`, and `native` for an init container that keeps running. */}}
{{- define "sidegate.container" -}}
{{- $context := .context -}}
{{- with $context.Values }}
- name: sidegate
  image: {{ include "sidegate.image" (dict "context" $context "image" .image "tag" $context.Chart.AppVersion) }}
  imagePullPolicy: {{ .image.pullPolicy }}
  {{- if $.native }}
  restartPolicy: Always
  {{- end }}
  args:
    - serve
    - --config
    - /etc/sidegate/config/sidegate.yaml
    {{- with .extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range $listener, $name := dict "authorize" "sidegate-ask" "admin" "sidegate-admin" "ops" "sidegate-ops" }}
    {{- $which := dict "context" $context "listener" $listener }}
    {{- if include "sidegate.isOpen" $which }}
    - name: {{ $name }}
      containerPort: {{ include "sidegate.port" $which }}
      protocol: TCP
    {{- end }}
    {{- end }}
  startupProbe:
    {{- include "sidegate.probe" (dict "context" $context "probe" .startupProbe) | nindent 4 }}
  readinessProbe:
    {{- include "sidegate.probe" (dict "context" $context "probe" .readinessProbe) | nindent 4 }}
  livenessProbe:
    {{- include "sidegate.probe" (dict "context" $context "probe" .livenessProbe) | nindent 4 }}
  {{- with .resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .securityContext | nindent 4 }}
  # The reason of a start that failed is in `kubectl describe pod`.
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - name: sidegate-config
      mountPath: /etc/sidegate/config
      readOnly: true
    {{- if ne .policies.source "path" }}
    # A directory, never a file of it: a file that is mounted by itself is never updated.
    - name: sidegate-policies
      mountPath: /etc/sidegate/policies
      readOnly: true
    {{- end }}
    - name: {{ include "sidegate.data.volumeName" $context }}
      mountPath: /var/lib/sidegate
    {{- range .secrets }}
    - name: sidegate-secret-{{ .name }}
      mountPath: /etc/sidegate/secrets/{{ .name }}
      readOnly: true
    {{- end }}
    {{- with .extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end -}}

{{/* A probe, over TLS where the listener that it asks speaks it. */}}
{{- define "sidegate.probe" -}}
{{- $probe := deepCopy .probe -}}
{{- if and (hasKey $probe "httpGet") (include "sidegate.speaksTls" (dict "context" .context "listener" "ops")) -}}
{{- $_ := set $probe "httpGet" (merge $probe.httpGet (dict "scheme" "HTTPS")) -}}
{{- end -}}
{{- toYaml $probe -}}
{{- end -}}

{{/* What the data volume is: with `existing` what `extraVolumes` says of it, if it is there. */}}
{{- define "sidegate.data.kind" -}}
{{- $kind := .Values.data.volume -}}
{{- if eq $kind "existing" -}}
  {{- $named := include "sidegate.data.existing" . | fromYaml -}}
  {{- range $field, $known := dict "persistentVolumeClaim" "claim" "hostPath" "hostPath" "emptyDir" "emptyDir" "ephemeral" "ephemeral" -}}
    {{- if hasKey $named $field -}}
      {{- $kind = $known -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $kind -}}
{{- end -}}

{{/* The volume of `extraVolumes` that `data.existingVolume` names, as YAML. */}}
{{- define "sidegate.data.existing" -}}
{{- $found := dict -}}
{{- range .Values.extraVolumes -}}
  {{- if eq .name $.Values.data.existingVolume -}}
    {{- $found = . -}}
  {{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "sidegate.data.volumeName" -}}
{{- ternary .Values.data.existingVolume "sidegate-data" (eq .Values.data.volume "existing") -}}
{{- end -}}

{{/* What has to be there before Sidegate starts. */}}
{{- define "sidegate.policies.initContainers" -}}
{{- if eq .Values.policies.source "git" }}
{{- include "sidegate.gitSync" (dict "context" . "name" "sidegate-git-sync-once" "once" true) }}
{{- else if and (eq .Values.policies.source "image") (eq .Values.policies.image.method "copy") }}
{{- with .Values.policies.image }}
- name: sidegate-policies
  image: {{ include "sidegate.image" (dict "context" $ "image" . "tag" "") }}
  imagePullPolicy: {{ .pullPolicy }}
  command:
    {{- toYaml .command | nindent 4 }}
  env:
    - name: FROM
      value: /{{ trimAll "/" $.Values.policies.directory }}
    - name: TO
      value: /to
  {{- with .resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml $.Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: sidegate-policies
      mountPath: /to
{{- end }}
{{- end }}
{{- end -}}

{{/* Not empty where git-sync runs and tells what became of its syncs. */}}
{{- define "sidegate.gitSync.isRead" -}}
{{- if and (eq .Values.policies.source "git") .Values.policies.git.metricsPort -}}yes{{- end -}}
{{- end -}}

{{/* git-sync: `context`, `name`, and `once` or `native`. */}}
{{- define "sidegate.gitSync" -}}
{{- $context := .context -}}
{{- with $context.Values.policies.git }}
- name: {{ $.name }}
  image: {{ include "sidegate.image" (dict "context" $context "image" .image "tag" "") }}
  imagePullPolicy: {{ .image.pullPolicy }}
  {{- if $.native }}
  restartPolicy: Always
  {{- end }}
  args:
    - --repo={{ .repo }}
    - --ref={{ .ref }}
    - --depth={{ .depth }}
    - --sync-timeout={{ .timeout }}
    - --root=/git
    # A link that turns as a whole, below a directory that is mounted: each sync is one generation.
    - --link=current
    {{- if $.once }}
    - --one-time
    {{- else }}
    - --period={{ .period }}
    # What was synced decides on while the repository cannot be reached.
    - --max-failures=-1
    {{- if .metricsPort }}
    - --http-bind=:{{ .metricsPort }}
    - --http-metrics
    {{- end }}
    {{- end }}
    {{- if eq .auth "ssh" }}
    - --ssh-key-file=/etc/git-secret/ssh
    - --ssh-known-hosts-file=/etc/git-secret/known_hosts
    {{- else if eq .auth "https" }}
    - --password-file=/etc/git-secret/password
    {{- end }}
    {{- with .extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or (eq .auth "https") .extraEnv }}
  env:
    {{- if eq .auth "https" }}
    - name: GITSYNC_USERNAME
      valueFrom:
        secretKeyRef:
          name: {{ .existingSecret }}
          key: username
    {{- end }}
    {{- with .extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- if and .metricsPort (not $.once) }}
  ports:
    - name: sidegate-git
      containerPort: {{ .metricsPort }}
      protocol: TCP
  {{- end }}
  {{- with .resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .securityContext | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    - name: sidegate-policies
      mountPath: /git
    - name: sidegate-git-tmp
      mountPath: /tmp
    {{- if ne .auth "none" }}
    - name: sidegate-git-secret
      mountPath: /etc/git-secret
      readOnly: true
    {{- end }}
{{- end }}
{{- end -}}

{{/* All volumes that the containers mount. A claim of a stateful set comes from its template. */}}
{{- define "sidegate.volumes" -}}
{{- with .Values }}
- name: sidegate-config
  configMap:
    name: {{ include "sidegate.fullname" $ }}-config
{{- include "sidegate.volumes.policies" $ }}
{{- include "sidegate.volumes.data" $ }}
{{- range .secrets }}
- name: sidegate-secret-{{ .name }}
  secret:
    secretName: {{ .secretName }}
    # 0440: the pod's group reads it; a file that all may read is refused.
    defaultMode: 288
    {{- with .items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sidegate.volumes.policies" -}}
{{- with .Values.policies }}
{{- if eq .source "configMap" }}
- name: sidegate-policies
  configMap:
    name: {{ default (printf "%s-policies" (include "sidegate.fullname" $)) .configMap.existingName }}
    {{- if .configMap.items }}
    items:
      {{- toYaml .configMap.items | nindent 6 }}
    {{- else if contains "/" (join " " (keys (default dict .configMap.files))) }}
    items:
      {{- range $path := keys .configMap.files | sortAlpha }}
      - key: {{ include "sidegate.policies.key" $path }}
        path: {{ $path }}
      {{- end }}
    {{- end }}
{{- else if and (eq .source "image") (eq .image.method "volume") }}
- name: sidegate-policies
  image:
    reference: {{ include "sidegate.image" (dict "context" $ "image" .image "tag" "") }}
    pullPolicy: {{ .image.pullPolicy }}
{{- else if ne .source "path" }}
- name: sidegate-policies
  emptyDir: {}
{{- end }}
{{- if eq .source "git" }}
- name: sidegate-git-tmp
  emptyDir: {}
{{- if ne .git.auth "none" }}
- name: sidegate-git-secret
  secret:
    secretName: {{ .git.existingSecret }}
    # 0440.
    defaultMode: 288
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sidegate.volumes.data" -}}
{{- $mode := .Values.mode -}}
{{- with .Values.data }}
{{- if eq .volume "emptyDir" }}
- name: sidegate-data
  emptyDir:
    sizeLimit: {{ .size }}
{{- else if eq .volume "ephemeral" }}
- name: sidegate-data
  ephemeral:
    volumeClaimTemplate:
      {{- with .annotations }}
      metadata:
        annotations:
          {{- toYaml . | nindent 10 }}
      {{- end }}
      spec:
        {{- include "sidegate.claim" . | nindent 8 }}
{{- else if eq .volume "hostPath" }}
- name: sidegate-data
  hostPath:
    path: {{ .hostPath }}
    type: Directory
{{- else if and (eq .volume "claim") (ne $mode "statefulset") }}
- name: sidegate-data
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-data" (include "sidegate.fullname" $)) .existingClaim }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What is claimed; takes `data` of the values. */}}
{{- define "sidegate.claim" -}}
accessModes:
  {{- toYaml .accessModes | nindent 2 }}
{{- with .storageClassName }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end -}}
