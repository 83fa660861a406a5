"""Agents for A2A clients, streamed: an ASGI app under the streaming runtime."""

from millrace.api.a2a_app import create_app
from millrace.settings import Settings
from millrace.telemetry import logs

app = logs.requests(create_app(Settings.from_environment()))
