"""The live view of an organisation's runs, streamed: an ASGI app under the streaming runtime."""

from millrace.api.command_center_app import create_app
from millrace.settings import Settings

app = create_app(Settings.from_environment())
