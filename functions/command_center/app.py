"""Live view of an organization's runs, streamed: an ASGI app under the streaming runtime."""

from millrace.api.command_center_app import create_app
from millrace.settings import Settings
from millrace.telemetry import logs

app = logs.requests(create_app(Settings.from_environment()))
