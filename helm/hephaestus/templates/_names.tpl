{{/* The chart's name, or what the values call it. */}}
{{- define "hephaestus.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The stem of every object's name: short enough for suffixes within 63 characters. */}}
{{- define "hephaestus.fullname" -}}
{{- $name := include "hephaestus.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{/* What pods of one part are selected by. Takes a list: the context and the part's name. */}}
{{- define "hephaestus.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "hephaestus.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels of an object. Takes a list: the context and the name of its part. */}}
{{- define "hephaestus.labels" -}}
{{- $ := index . 0 -}}
{{ include "hephaestus.selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hephaestus.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "hephaestus.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The reference of an image. Takes a list: the context and the image's name. */}}
{{- define "hephaestus.image" -}}
{{- $ := index . 0 -}}
{{- $image := index $.Values.images (index . 1) -}}
{{- $registry := default $.Values.images.registry ($.Values.global).imageRegistry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default $.Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}
