{{- define "mb.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
Names leave room for "-operator" and for the pods' suffix, and are fit for a Service: no dot, which a release's name may
have, and a letter in front.
*/}}
{{- define "mb.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name (include "mb.name" .)) (contains (include "mb.name" .) .Release.Name) -}}
{{- end -}}
{{- if regexMatch "^[0-9]" $name -}}
{{- $name = printf "mb-%s" $name -}}
{{- end -}}
{{- $name | replace "." "-" | trunc 44 | trimSuffix "-" -}}
{{- end -}}

{{- define "mb.operator" -}}
{{- printf "%s-operator" (include "mb.fullname" .) -}}
{{- end -}}

{{/* Quoted: a release may be called 2026, which is a number elsewhere. */}}
{{- define "mb.selector" -}}
app.kubernetes.io/name: {{ include "mb.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "mb.labels" -}}
{{ include "mb.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* An image: a tag follows a colon; a digest alone, which begins with its @, follows nothing. */}}
{{- define "mb.image" -}}
{{- $tag := .image.tag | default .root.Chart.AppVersion -}}
{{- printf "%s%s%s" .image.repository (ternary "" ":" (hasPrefix "@" $tag)) $tag -}}
{{- end -}}
