"""Agents and pipelines as tools of the Model Context Protocol, streamed."""

from millrace.api.mcp_app import create_app
from millrace.settings import Settings
from millrace.telemetry import logs

app = logs.requests(create_app(Settings.from_environment()))
