{{/*
For other charts: the agent inside their pods. Each takes the context of this chart as a dependency,
`.Subcharts.hephaestus` (or its alias).

  hephaestus.sidecar                one entry of `initContainers`
  hephaestus.sidecar.volumes        its entries of `volumes`
  hephaestus.sidecar.labels         labels of the pod, by which the PodMonitor finds it
  hephaestus.sidecar.annotations    annotations of the pod, by which a new configuration restarts it
*/}}

{{- define "hephaestus.sidecar" -}}
{{- if semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version }}
{{- fail (printf "hephaestus.sidecar: native sidecars need Kubernetes 1.29, and this cluster is %s" .Capabilities.KubeVersion.Version) }}
{{- end -}}
{{- if not .Values.sidecar.enabled }}
{{- fail "hephaestus.sidecar: set sidecar.enabled, without which there is no ConfigMap for it" }}
{{- end -}}
{{- $sidecar := .Values.sidecar -}}
- name: hephaestus
  image: {{ include "hephaestus.image" (list . "agent") }}
  # A native sidecar: it starts before the application and ends after it.
  restartPolicy: Always
  args:
    - agent
    {{- with $sidecar.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- include "hephaestus.container" (list . "sidecar") | nindent 2 }}
  securityContext:
    {{- include "hephaestus.sidecar.securityContext" . | nindent 4 }}
  volumeMounts:
    {{- include "hephaestus.mounts" (dict "root" . "prefix" "hephaestus-") | nindent 4 }}
    - name: {{ $sidecar.logs.volume }}
      mountPath: {{ $sidecar.logs.mountPath }}
      readOnly: true
    {{- with $sidecar.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* All that the restricted profile asks for, whatever the pod around it says of itself. */}}
{{- define "hephaestus.sidecar.securityContext" -}}
{{- $pod := pick .Values.podSecurityContext "runAsNonRoot" "runAsUser" "runAsGroup" "seccompProfile" -}}
{{- mergeOverwrite $pod (deepCopy .Values.securityContext) (deepCopy .Values.sidecar.securityContext) | toYaml -}}
{{- end -}}

{{- define "hephaestus.sidecar.volumes" -}}
{{- include "hephaestus.volumes" (dict "root" . "part" "sidecar" "prefix" "hephaestus-" "tmp" "64Mi") }}
- name: hephaestus-state
  emptyDir:
    sizeLimit: {{ .Values.sidecar.stateSizeLimit }}
{{- with .Values.sidecar.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hephaestus.sidecar.labels" -}}
hephaestus/sidecar: {{ include "hephaestus.fullname" . }}
{{- end -}}

{{- define "hephaestus.sidecar.annotations" -}}
checksum/hephaestus: {{ include "hephaestus.sidecar.config" . | sha256sum }}
{{- end -}}
