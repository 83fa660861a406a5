"""Images and files for a run that is at work, checked against the model that it works with."""

from functools import partial

from millrace.domain.content import Content, attachments
from millrace.domain.conversations import Slot
from millrace.services.runs.attachments import Check, accept_all
from millrace.services.runs.models import Models
from millrace.stores.connect import Stores


async def check_of_run(stores: Stores, models: Models, slot: Slot, run_id: str, content: Content) -> Check:
    """Return the check of what a run's model takes. It is read only for a content with images or files. A
    flow has no model of its own, and its agents' models are sent notes for what they do not take."""
    found = await stores.run_definitions.get(slot, run_id) if attachments(content) else None
    return partial(models.check_accepted, found.agent) if found and found.kind == "agent" else accept_all
