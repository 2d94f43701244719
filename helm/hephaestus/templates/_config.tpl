{{/*
The configuration of one part, as YAML: what the chart sets, `config` over it, the part's own `config` over both.
Takes a dict: root (the context), part (its values), bus (embedded or kafka), own (what only this part has).
*/}}
{{- define "hephaestus.config" -}}
{{- $values := .root.Values -}}
{{- $set := dict
      "state_dir" "/var/lib/hephaestus/state"
      "grace_period" (printf "%vs" .part.gracePeriodSeconds)
      "telemetry" (dict "log_format" "json")
      "server" (dict "listen" (printf "0.0.0.0:%v" $values.server.port))
      "bus" (dict "kind" .bus) -}}
{{- with $values.server.existingSecret }}
{{- $_ := set $set.server "token" "${HEPHAESTUS_SERVER_TOKEN}" -}}
{{- end -}}
{{- if eq .bus "kafka" }}
{{- $_ := set $set.bus "kafka" (include "hephaestus.config.kafka" .root | fromYaml) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $set .own (deepCopy $values.config) (deepCopy .part.config)) -}}
{{- end -}}

{{- define "hephaestus.config.kafka" -}}
{{- with .Values.kafka -}}
{{- if not .brokers }}
{{- fail "kafka.brokers is empty: agents publish to Kafka and the fixer reads from it. Name the brokers as host:port, or set fixer.role to run, which needs no Kafka" }}
{{- end -}}
brokers: {{ toJson .brokers }}
topic_prefix: {{ .topicPrefix | quote }}
group: {{ .group | quote }}
{{- if .tls.enabled }}
tls:
  enabled: true
  {{- if .tls.existingSecret }}
  ca_file: {{ printf "/etc/hephaestus/kafka/%s" .tls.caKey | quote }}
  {{- with .tls.certificateKey }}
  certificate_file: {{ printf "/etc/hephaestus/kafka/%s" . | quote }}
  {{- end }}
  {{- with .tls.keyKey }}
  key_file: {{ printf "/etc/hephaestus/kafka/%s" . | quote }}
  {{- end }}
  {{- end }}
{{- end }}
{{- if .sasl.mechanism }}
sasl:
  mechanism: {{ .sasl.mechanism | quote }}
  username: ${HEPHAESTUS_KAFKA_USERNAME}
  password: ${HEPHAESTUS_KAFKA_PASSWORD}
{{- end }}
{{- with .properties }}
properties:
  {{- range $name, $value := . }}
  {{ $name | quote }}: {{ toString $value | quote }}
  {{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "hephaestus.fixer.bus" -}}
{{- ternary "embedded" "kafka" (eq .Values.fixer.role "run") -}}
{{- end -}}

{{- define "hephaestus.fixer.config" -}}
{{- $fixer := .Values.fixer -}}
{{- $own := dict "sandbox" (dict "memory" "2GiB") -}}
{{- if or $fixer.repository.url $fixer.repository.existingClaim }}
{{- $_ := set $own "repository" (dict "path" "/repository") -}}
{{- end -}}
{{- if eq $fixer.role "run" }}
{{- $_ := set $own "collector" (dict "log_paths" $fixer.logs.paths) -}}
{{- end -}}
{{- include "hephaestus.config" (dict "root" . "part" $fixer "bus" (include "hephaestus.fixer.bus" .) "own" $own) -}}
{{- end -}}

{{/* Containers called hephaestus are left alone: an agent that reads what it says itself would never rest. */}}
{{- define "hephaestus.agent.config" -}}
{{- $agent := .Values.agent -}}
{{- $root := $agent.podLogs.hostPath -}}
{{- $paths := list -}}
{{- range default (list "*") $agent.podLogs.namespaces }}
{{- $paths = append $paths (printf "%s/%s_*/*/*.log" $root .) -}}
{{- end -}}
{{- $exclude := list (printf "%s/*/hephaestus/*" $root) -}}
{{- $collector := dict "log_paths" $paths "exclude" (concat $exclude $agent.podLogs.exclude) -}}
{{- include "hephaestus.config" (dict "root" . "part" $agent "bus" "kafka" "own" (dict "collector" $collector)) -}}
{{- end -}}

{{- define "hephaestus.sidecar.config" -}}
{{- $own := dict "collector" (dict "log_paths" .Values.sidecar.logs.paths) -}}
{{- include "hephaestus.config" (dict "root" . "part" .Values.sidecar "bus" "kafka" "own" $own) -}}
{{- end -}}

{{- define "hephaestus.topics.config" -}}
{{- include "hephaestus.config" (dict "root" . "part" .Values.topics "bus" "kafka" "own" dict) -}}
{{- end -}}

{{/* A ConfigMap with a configuration. Takes a list: the context and the part's name. */}}
{{- define "hephaestus.configmap" -}}
{{- $ := index . 0 -}}
{{- $part := index . 1 -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "hephaestus.fullname" $ }}-{{ $part }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "hephaestus.labels" . | nindent 4 }}
data:
  hephaestus.yaml: |
    {{- include (printf "hephaestus.%s.config" $part) $ | nindent 4 }}
{{- end -}}
