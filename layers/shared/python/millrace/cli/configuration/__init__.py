"""Agents, flows, pipelines, alerts and secrets as files: `millrace apply` and `millrace export`."""
