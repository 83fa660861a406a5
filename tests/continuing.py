"""Runs that lose their process, and the process that continues them."""

from collections.abc import Callable, Iterable
from typing import Any

from millrace.domain.runs import LEASE_MS, ContinueRun
from millrace.services.runs.continue_run import continue_run
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores.connect import Stores

TRIES = 20


async def continue_elsewhere(
    settings: Settings, stores: Stores, organization: str, run_id: str, reason: str = "lost"
) -> bool:
    """Do what the run queue's function does with a message. Return False if the run was not taken."""
    session = await continue_run(Platform.make(settings, stores), ContinueRun(organization, run_id, reason))
    if session is not None:
        await session.over()
    return session is not None


async def taken_elsewhere(
    settings: Settings, stores: Stores, organization: str, run_id: str, reason: str = "lost"
) -> None:
    """Call `continue_elsewhere` for a run that is still alive, and may write while it is being taken."""
    for _ in range(TRIES):
        if await continue_elsewhere(settings, stores, organization, run_id, reason):
            return
    raise AssertionError(f"{run_id} was never taken over")


def after_the_lease(clock: Callable[[], int]) -> Callable[[], int]:
    """Return a clock for which every current lease has expired."""
    return lambda: clock() + LEASE_MS + 1000


def settled_view(events: Iterable[Any]) -> list[Any]:
    """Return the events that a client shows in the end, because a `rewind` takes some back."""
    shown: list[Any] = []
    for event in events:
        if event.data["type"] == "rewind":
            after = int(event.data["after"].rpartition(".")[2])
            shown = [one for one in shown if one.seq <= after]
        elif event.data["type"] != "heartbeat":
            shown.append(event)
    return shown
