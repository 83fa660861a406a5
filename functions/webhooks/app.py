"""Incoming webhooks of pipelines: a Starlette app through Mangum, buffered."""

from millrace.startup import starting

with starting():
    from mangum import Mangum

    from millrace.api.webhooks_app import create_app
    from millrace.settings import Settings
    from millrace.telemetry import logs

    # The app has no lifespan; Mangum would otherwise start and end one around every request.
    handler = logs.invocations(Mangum(create_app(Settings.from_environment()), lifespan="off"))
