{{/*
What the containers of all parts have in common. Most take a list: the context and the part's name, whose values
are `.Values.<part>`.
*/}}

{{/* Where a container may write: its root is read-only. Go's modules lie with the state, for the next start. */}}
{{- define "hephaestus.env.folders" -}}
- name: HOME
  value: /tmp
- name: TMPDIR
  value: /tmp
- name: XDG_CACHE_HOME
  value: /var/lib/hephaestus/cache
{{- if eq . "fixer" }}
- name: GOMODCACHE
  value: /var/lib/hephaestus/cache/go-mod
{{- end }}
{{- end -}}

{{/* The environment of Hephaestus: where it may write, and its secrets. */}}
{{- define "hephaestus.env" -}}
{{- $ := index . 0 -}}
{{- $part := index $.Values (index . 1) -}}
{{ include "hephaestus.env.folders" (index . 1) }}
{{- with $part.serviceName }}
- name: OTEL_SERVICE_NAME
  value: {{ . | quote }}
{{- end }}
{{- with $.Values.server }}
{{- if .existingSecret }}
{{ include "hephaestus.env.secret" (list "HEPHAESTUS_SERVER_TOKEN" .existingSecret .tokenKey) }}
{{- end }}
{{- end }}
{{- with $.Values.kafka.sasl }}
{{- if .mechanism }}
{{- $secret := required "kafka.sasl.existingSecret: name the secret that holds the user name and the password" .existingSecret }}
{{ include "hephaestus.env.secret" (list "HEPHAESTUS_KAFKA_USERNAME" $secret .usernameKey) }}
{{ include "hephaestus.env.secret" (list "HEPHAESTUS_KAFKA_PASSWORD" $secret .passwordKey) }}
{{- end }}
{{- end }}
{{- with $part.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A variable out of a secret. Takes a list: its name, the secret and the key. */}}
{{- define "hephaestus.env.secret" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 }}
{{- end -}}

{{/* The part of a container that does not differ between roles. */}}
{{- define "hephaestus.container" -}}
{{- $ := index . 0 -}}
{{- $part := index $.Values (index . 1) -}}
imagePullPolicy: {{ $.Values.images.pullPolicy }}
env:
  {{- include "hephaestus.env" . | nindent 2 }}
{{- with $part.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: hephaestus
    containerPort: {{ $.Values.server.port }}
# The process lives, whatever Kafka does: nothing else may hold up or restart a pod.
startupProbe:
  httpGet: {path: /livez, port: hephaestus}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: hephaestus}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
resources:
  {{- toYaml $part.resources | nindent 2 }}
{{- end -}}

{{/* Where the configuration and the certificates are mounted. Takes a dict: root, and prefix of volumes' names. */}}
{{- define "hephaestus.mounts" -}}
- name: {{ .prefix }}config
  mountPath: /etc/hephaestus/hephaestus.yaml
  subPath: hephaestus.yaml
  readOnly: true
- name: {{ .prefix }}state
  mountPath: /var/lib/hephaestus
- name: {{ .prefix }}tmp
  mountPath: /tmp
{{- with .root.Values.kafka.tls }}
{{- if and .enabled .existingSecret }}
- name: {{ $.prefix }}kafka
  mountPath: /etc/hephaestus/kafka
  readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{/* The volumes of those, but for the state's. Takes a dict: root, part (its name), prefix, tmp (its size limit). */}}
{{- define "hephaestus.volumes" -}}
- name: {{ .prefix }}config
  configMap:
    name: {{ include "hephaestus.fullname" .root }}-{{ .part }}
- name: {{ .prefix }}tmp
  emptyDir:
    sizeLimit: {{ .tmp }}
{{- with .root.Values.kafka.tls }}
{{- if and .enabled .existingSecret }}
- name: {{ $.prefix }}kafka
  secret:
    secretName: {{ .existingSecret }}
    # 0444 and 0440: the pod around a sidecar may give its files to no group of ours.
    defaultMode: {{ ternary 292 288 (eq $.part "sidecar") }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What every pod of ours says about itself. Takes a list: the context and the part's name. */}}
{{- define "hephaestus.pod.metadata" -}}
{{- $ := index . 0 -}}
{{- $part := index $.Values (index . 1) -}}
labels:
  {{- include "hephaestus.labels" . | nindent 2 }}
  {{- with $part.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  checksum/config: {{ include (printf "hephaestus.%s.config" (index . 1)) $ | sha256sum }}
  {{- with $part.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "hephaestus.pod.spec" -}}
{{- $ := index . 0 -}}
{{- $part := index $.Values (index . 1) -}}
serviceAccountName: {{ include "hephaestus.serviceAccountName" $ }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $.Values.images.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- mergeOverwrite (deepCopy $.Values.podSecurityContext) (deepCopy $part.podSecurityContext) | toYaml | nindent 2 }}
# Ten seconds more than it takes at most: it ends by itself, and is not killed.
terminationGracePeriodSeconds: {{ add $part.gracePeriodSeconds 10 }}
{{- with $part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
