{{/* What the fixer mounts beside what every part does. */}}
{{- define "hephaestus.fixer.mounts" -}}
{{- $fixer := .Values.fixer -}}
{{- if or $fixer.repository.url $fixer.repository.existingClaim }}
- name: repository
  mountPath: /repository
  {{- with $fixer.repository.subPath }}
  subPath: {{ . }}
  {{- end }}
  readOnly: true
{{- end }}
{{- if and (eq $fixer.role "run") $fixer.logs.existingClaim }}
- name: logs
  mountPath: {{ $fixer.logs.mountPath }}
  {{- with $fixer.logs.subPath }}
  subPath: {{ . }}
  {{- end }}
  readOnly: true
{{- end }}
{{- with $fixer.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hephaestus.fixer.volumes" -}}
{{- $fixer := .Values.fixer -}}
{{- if not $fixer.persistence.enabled }}
- name: state
  emptyDir:
    sizeLimit: {{ $fixer.persistence.size }}
{{- end }}
{{- if $fixer.repository.url }}
- name: repository
  emptyDir: {}
{{- with $fixer.repository.existingSecret }}
- name: git
  secret:
    secretName: {{ . }}
    defaultMode: 288 # 0440
{{- end }}
{{- else if $fixer.repository.existingClaim }}
- name: repository
  persistentVolumeClaim:
    claimName: {{ $fixer.repository.existingClaim }}
    readOnly: true
{{- end }}
{{- if and (eq $fixer.role "run") $fixer.logs.existingClaim }}
- name: logs
  persistentVolumeClaim:
    claimName: {{ $fixer.logs.existingClaim }}
    readOnly: true
{{- end }}
{{- with $fixer.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The container that clones the repository before the fixer starts. */}}
{{- define "hephaestus.fixer.clone" -}}
{{- $repository := .Values.fixer.repository -}}
{{- if $repository.url -}}
- name: clone
  image: {{ include "hephaestus.image" (list . "fixer") }}
  imagePullPolicy: {{ .Values.images.pullPolicy }}
  command: [sh, -c]
  args:
    - |
      {{- .Files.Get "files/clone.sh" | trim | nindent 6 }}
  env:
    - name: REPOSITORY_URL
      value: {{ $repository.url | quote }}
    - name: REPOSITORY_REF
      value: {{ $repository.ref | quote }}
    - name: REPOSITORY_DEPTH
      value: {{ $repository.depth | quote }}
    - name: REPOSITORY
      value: /repository
    - name: CREDENTIALS
      value: /etc/hephaestus/git
    {{- include "hephaestus.env.folders" "fixer" | nindent 4 }}
    {{- with .Values.fixer.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml .Values.fixer.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: repository
      mountPath: /repository
    - name: state
      mountPath: /var/lib/hephaestus
    - name: tmp
      mountPath: /tmp
    {{- if $repository.existingSecret }}
    - name: git
      mountPath: /etc/hephaestus/git
      readOnly: true
    {{- end }}
{{- end }}
{{- end -}}
