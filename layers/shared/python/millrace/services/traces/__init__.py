"""Runs as OpenTelemetry traces, sent to any OTLP endpoint apart from the runs."""
