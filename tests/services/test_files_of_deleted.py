"""A conversation that is deleted at any point while a message with files is being sent leaves no files
behind."""

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from millrace.domain.clock import now_ms
from millrace.domain.content import Content, FilePart, ImagePart, TextPart
from millrace.domain.files import StoredFile
from millrace.errors import MillraceError
from millrace.services.runs.delete import delete_conversation, delete_restorably, restore_conversation
from millrace.services.runs.kept_files import given_up_if_deleted
from millrace.settings import Settings
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.connect import Stores
from tests.api.test_files import PDF, png
from tests.aws import Aws
from tests.services.live import inject
from tests.services.scripted import Talk, says

CALLS = {"get_object", "transact_write_items", "put_object", "copy_object"}
"""The operations before which a conversation is deleted."""
POINTS = 8
"""Look at the upload, an item and an object for each file, the message itself, and what its run writes."""


class Interrupted(AwsClients):
    """AWS to which something happens before the call of a number."""

    at = -1
    seen = 0
    happens: Callable[[], Awaitable[None]]

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation in CALLS and self.at >= 0:
            self.seen += 1
            if self.seen == self.at + 1:
                self.at = -1
                await self.happens()
        return await super().call(service, operation, **parameters)


async def content_of(talk: Talk, file_id: str) -> Content:
    """A text with an uploaded image, and with a PDF within the message."""
    slot, data = talk.slot, png()
    file = StoredFile(
        file_id, slot.organization, "user", "a.png", "image/png", len(data), talk.stores.clock()
    )
    await talk.stores.files.create(file)
    await talk.stores.file_objects.put(file, data)
    inline = FilePart(data=base64.b64encode(PDF).decode(), media_type="application/pdf")
    return [TextPart(text="look"), ImagePart(file_id=file_id), inline]


async def left_of(talk: Talk) -> list[str]:
    """The objects that the conversation keeps, and the items of files that say so."""
    page, _ = await talk.stores.files.page(talk.slot.organization, "user", "", 50)
    items = [one.id for one in page if one.conversation_id]
    return [*await talk.stores.file_objects.kept_ids(talk.slot), *items]


async def deleted_at(settings: Settings, way: str, point: int) -> list[str]:
    """The rest of a message's files when its conversation is deleted before its call of a number."""
    aws = Interrupted(settings.region)
    talk = Talk(settings, Stores.connect(settings, aws))
    others = Stores.connect(settings)
    content = await content_of(talk, f"file_{point}")
    deletions: list[asyncio.Task[None]] = []
    sent: list[asyncio.Task[object]] = []

    async def delete() -> None:
        # In a task of its own: the run that it ends must not cancel it.
        deletions.append(asyncio.create_task(delete_conversation(others, talk.slot)))
        await asyncio.shield(deletions[0])

    async def send_live() -> None:
        aws.at = point
        # A request of its own, which the end of the run does not cancel.
        sent.append(asyncio.create_task(inject(talk.stores, talk.slot, content, author="user")))
        await asyncio.shield(sent[0])

    aws.happens = delete
    talk.models.turns = [[talk.until_begun, send_live, *says("ok")]] if way == "live message" else []
    with contextlib.suppress(MillraceError):
        await talk.say("begin")
        if way != "live message":
            aws.at = point
            await talk.say(content, agent_id="echo" if way == "message" else None)
    await asyncio.gather(*sent, return_exceptions=True)
    aws.at = -1
    await asyncio.gather(*deletions)
    assert deletions
    if await others.conversations.find(talk.slot):
        # The message has begun the conversation anew, and its files go with that.
        assert len(await left_of(talk)) == 4
        await delete_conversation(others, talk.slot)
    left = await left_of(talk)
    await asyncio.to_thread(aws.close)
    await asyncio.to_thread(others.aws.close)
    return [f"{point}: {one}" for one in left]


@pytest.mark.parametrize("way", ["message", "without an agent", "live message"])
async def test_deletion_at_any_point_of_a_send_leaves_no_file(aws_environment: Aws, way: str) -> None:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    found = await asyncio.gather(*(deleted_at(settings, way, point) for point in range(POINTS)))
    assert [one for left in found for one in left] == []


async def kept_after_restoring(settings: Settings, point: int) -> list[str]:
    """The files of a conversation that is deleted before a call of its second message, and restored."""
    aws = Interrupted(settings.region)
    talk = Talk(settings, Stores.connect(settings, aws))
    others = Stores.connect(settings)
    content = await content_of(talk, f"file_{point}")
    await talk.say(content)

    async def delete() -> None:
        await delete_restorably(others, talk.slot)

    aws.happens = delete
    aws.at = point
    with contextlib.suppress(MillraceError):
        await talk.say(content)
    await restore_conversation(others, talk.slot)
    left = await left_of(talk)
    await delete_conversation(others, talk.slot)
    assert await left_of(talk) == []
    await asyncio.to_thread(aws.close)
    await asyncio.to_thread(others.aws.close)
    return left


async def test_message_that_meets_a_restorable_deletion_takes_no_file_of_another(
    aws_environment: Aws,
) -> None:
    """Both messages have the same files, which the second one gives up only where all are deleted."""
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    found = await asyncio.gather(*(kept_after_restoring(settings, point) for point in range(3)))
    assert [len(left) for left in found] == [4, 4, 4]


class SlowBucket(AwsClients):
    """AWS whose bucket takes an object when it is let to, also from a caller that was cancelled meanwhile."""

    def __init__(self, region: str) -> None:
        super().__init__(region)
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.put: asyncio.Task[dict[str, Any]] | None = None

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation != "put_object":
            return await super().call(service, operation, **parameters)
        self.put = asyncio.create_task(self._put(parameters))
        return await asyncio.shield(self.put)

    async def _put(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self.begun.set()
        await self.go_on.wait()
        return await super().call("s3", "put_object", **parameters)


async def test_message_that_is_cancelled_within_a_write_leaves_no_file(aws_environment: Aws) -> None:
    settings = Settings.from_environment(aws_environment.environment("ConversationFunction"))
    aws = SlowBucket(settings.region)
    talk = Talk(settings, Stores.connect(settings, aws))
    await talk.say("begin")
    inline = FilePart(data=base64.b64encode(PDF).decode(), media_type="application/pdf")
    sending = asyncio.create_task(talk.say([TextPart(text="look"), inline]))
    await aws.begun.wait()
    await delete_conversation(talk.stores, talk.slot)
    sending.cancel()
    # Time enough for a message that does not wait for its write to give its files up too early.
    await asyncio.wait({sending}, timeout=0.5)
    aws.go_on.set()
    await asyncio.wait({sending})
    assert aws.put
    await aws.put
    assert await left_of(talk) == []
    await asyncio.to_thread(aws.close)


@pytest.mark.parametrize("owner", ["user", "another"])
async def test_failed_message_into_a_deleted_conversation_leaves_files_that_are_not_of_it(
    settings: Settings, owner: str
) -> None:
    talk = Talk(settings, Stores.connect(settings))
    await talk.say("begin")
    upload = StoredFile("file_1", talk.slot.organization, owner, "a.png", "image/png", len(png()), now_ms())
    await talk.stores.files.create(upload)
    await delete_conversation(talk.stores, talk.slot)
    with pytest.raises(ConnectionError):
        async with given_up_if_deleted(talk.stores, talk.slot, "user", [ImagePart(file_id=upload.id)]):
            raise ConnectionError
    assert await talk.stores.files.find(talk.slot.organization, upload.id) == upload
    await talk.platform.close()
