"""Incoming webhooks: FastAPI through Mangum, buffered."""

from mangum import Mangum

from millrace.api.webhooks_app import create_app
from millrace.settings import Settings

handler = Mangum(create_app(Settings.from_environment()), lifespan="off")
