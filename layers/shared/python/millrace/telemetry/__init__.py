"""Telemetry of the functions: log lines and metrics, by Powertools for AWS Lambda."""
