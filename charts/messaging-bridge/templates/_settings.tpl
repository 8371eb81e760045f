{{/* What the operator reads: operator/src/settings.rs. Strict on both sides. */}}
{{- define "mb.settings" -}}
{{- $relay := .Values.relay -}}
version: 1
relay:
  image: {{ include "mb.image" (dict "image" $relay.image "root" .) | quote }}
  imagePullPolicy: {{ $relay.image.pullPolicy }}
  imagePullSecrets: {{ $relay.imagePullSecrets | toJson }}
  resources: {{ $relay.resources | toJson }}
  nodeSelector: {{ $relay.nodeSelector | toJson }}
  tolerations: {{ $relay.tolerations | toJson }}
  {{- with $relay.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  podLabels: {{ $relay.podLabels | toJson }}
  podAnnotations: {{ $relay.podAnnotations | toJson }}
  {{- with $relay.httpsProxy }}
  httpsProxy: {{ . | quote }}
  {{- end }}
  {{- with $relay.noProxy }}
  noProxy: {{ . | quote }}
  {{- end }}
  {{- with $relay.caBundle }}
  caBundle: {{ . | toJson }}
  {{- end }}
  logFormat: {{ $relay.logFormat }}
  {{- with $relay.otlpEndpoint }}
  otlpEndpoint: {{ . | quote }}
  {{- end }}
  storage:
    size: {{ $relay.storage.size }}
    {{- with $relay.storage.storageClassName }}
    storageClassName: {{ . | quote }}
    {{- end }}
  networkPolicy:
    enabled: {{ $relay.networkPolicy.enabled }}
    extraEgress: {{ $relay.networkPolicy.extraEgress | toJson }}
    monitoringNamespaces: {{ $relay.networkPolicy.monitoringNamespaces | toJson }}
checks:
  intervalSeconds: {{ .Values.checks.intervalSeconds | int }}
platforms:
  {{- with .Values.platforms.genesysBaseUrl }}
  genesysBaseUrl: {{ . | quote }}
  {{- end }}
  {{- with .Values.platforms.twilioBaseUrl }}
  twilioBaseUrl: {{ . | quote }}
  {{- end }}
  {{- if not (or .Values.platforms.genesysBaseUrl .Values.platforms.twilioBaseUrl) }}
  {}
  {{- end }}
{{- end -}}
