"""Live messages: accepted for an active run, or refused."""

from collections.abc import Awaitable, Callable

from millrace.domain.content import Content, check_content, text_of
from millrace.domain.conversations import Slot
from millrace.domain.runs import MAX_INJECTION_BYTES
from millrace.errors import Conflict, NotFound, TooLarge
from millrace.services.runs.attachments import Check, accept_all, kept_blocks
from millrace.services.runs.kept_files import given_up_if_deleted
from millrace.services.runs.recover import notice_lost_run
from millrace.stores.connect import Stores
from millrace.stores.injections import Injection, NoActiveRun, new_injection


async def inject(
    stores: Stores,
    slot: Slot,
    run_id: str,
    content: Content,
    key: str | None = None,
    *,
    author: str = "",
    check_files: Check = accept_all,
) -> Injection:
    """Accept a message for an active run; `check_files` validates its images and files.

    Raises `InvalidRequest`, `TooLarge`, `Conflict` (`not_streaming`) or `TooManyRequests`.
    """
    check(content)
    try:
        async with given_up_if_deleted(stores, slot, author, content):
            blocks = await kept_blocks(stores, slot, author, content, check_files)
            made = new_injection(blocks, author, stores.clock())
            return await accepted(
                stores, slot, lambda alive: stores.injections.accept(slot, made, run_id, key, alive=alive)
            )
    except NoActiveRun as error:
        raise Conflict("No run is active here; send it as a normal message.", code="not_streaming") from error


async def accepted(stores: Stores, slot: Slot, accept: Callable[[bool], Awaitable[Injection]]) -> Injection:
    """Return the message that `accept` accepts, first for a run that is alive, then for a lost one.

    A lost run is enqueued, so that another process continues both. Raises `NoActiveRun`.
    """
    try:
        return await accept(True)
    except NoActiveRun:
        lease = await stores.leases.peek(slot)
        # Nothing is accepted after a stop, because the run ends without reading its queue again.
        if lease.stop or not lease.lost(stores.clock()):
            raise
        # Accepted before the run is enqueued, so that the process that continues it finds the message.
        made = await accept(False)
        await notice_lost_run(stores, slot, lease)
        return made


def check(content: Content) -> None:
    """Check that a content can be a live message. Raises `InvalidRequest` or `TooLarge`."""
    check_content(content)
    if len(text_of(content).encode()) > MAX_INJECTION_BYTES:
        raise TooLarge(
            f"A live message must not exceed {MAX_INJECTION_BYTES:,} bytes of UTF-8.",
            code="message_too_large",
            limit=MAX_INJECTION_BYTES,
        )


async def waiting(stores: Stores, slot: Slot) -> list[Injection]:
    """Return the live messages that wait for the run, in order."""
    fresh, _ = await stores.injections.waiting(slot)
    return fresh


async def withdraw(stores: Stores, slot: Slot, message_id: str) -> None:
    """Withdraw a waiting message. Raises `NotFound`, or `Conflict` (`already_seen`)."""
    try:
        await stores.injections.withdraw(slot, message_id)
    except NotFound:
        snapshot = await stores.conversations.open(slot)
        if any(message.id == message_id for message in snapshot.history):
            raise Conflict("The agent has already seen this message.", code="already_seen") from None
        raise
