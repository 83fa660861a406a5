"""Validation of images and files for an active run, according to its model."""

from functools import partial

from millrace.domain.content import Content, attachments
from millrace.domain.conversations import Slot
from millrace.services.runs.attachments import Check, accept_all
from millrace.services.runs.models import Models
from millrace.stores.connect import Stores


async def check_of_run(stores: Stores, models: Models, slot: Slot, run_id: str, content: Content) -> Check:
    """Return a check for the content that a run's model accepts.

    The run is read only for content with images or files. A flow has no model of its own, and its agents'
    models get notes in place of what they do not accept.
    """
    found = await stores.run_definitions.get(slot, run_id) if attachments(content) else None
    return partial(models.check_accepted, found.agent) if found and found.kind == "agent" else accept_all
