"""The work of the change_capture function: batches of DynamoDB Streams, and ticks that poll the outbox."""

import time
from typing import Any

from millrace.domain.changes import Owners
from millrace.errors import Unavailable
from millrace.services.pipelines.intake.changes import Changes
from millrace.services.pipelines.intake.outbox import database_url, drain_outbox
from millrace.settings import Settings
from millrace.stores.aws import Aws
from millrace.stores.bus import EventBus
from millrace.stores.deployment_secrets import DeploymentSecrets
from millrace.stores.queues import Queue

RESERVE_SECONDS = 25.0
"""Seconds of the function's time reserved for the last batch: a statement, and four attempts to put it on the
bus."""


class CaptureSettings(Settings, frozen=True):
    """Settings for change capture.

    `change_organizations` has the format of `Owners.parse`. `outbox_secret` is the ARN of a secret with a
    database URL.
    """

    change_organizations: str = ""
    change_dead_letter_queue_url: str = ""
    outbox_secret: str = ""


class Capture:
    """Captures changes, one in each process."""

    def __init__(self, settings: CaptureSettings, aws: Aws | None = None) -> None:
        """Raise `Unavailable` for missing settings and `InvalidRequest` for invalid ones."""
        settings.require("bus_name", "change_dead_letter_queue_url")
        self._aws = aws or Aws(settings.region)
        self._secret = settings.outbox_secret
        self._secrets = DeploymentSecrets(self._aws)
        self._changes = Changes(
            EventBus(self._aws, settings.bus_name),
            Queue(self._aws, settings.change_dead_letter_queue_url),
            Owners.parse(settings.change_organizations),
        )

    def warm(self) -> None:
        """Create the client that every invocation needs during init."""
        self._aws.client("events")

    async def __call__(self, event: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Process a Lambda event, a stream's batch or a tick, in at most `seconds`."""
        if "Records" in event:
            return await self._changes.capture_stream(event)
        if not self._secret:
            return {"rows": 0}
        return {"rows": await self._poll(time.monotonic() + seconds - RESERVE_SECONDS)}

    async def _poll(self, until: float) -> int:
        known = database_url(self._secrets.text(self._secret))
        try:
            return await drain_outbox(self._changes, known, until)
        except Unavailable:  # the password may have been rotated
            current = database_url(self._secrets.text(self._secret, fresh=True))
            if current == known:
                raise
            return await drain_outbox(self._changes, current, until)
