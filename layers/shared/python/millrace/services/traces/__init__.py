"""Runs as traces of OpenTelemetry, sent to any OTLP endpoint beside the runs."""
