"""No event is missed by a process that skips organizations, whatever the other processes do."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.services.command_center.quiet import AFTER_MS, Quiet
from millrace.stores.alerts import AlertStore
from tests.effort import effort

SKEW_MS = 30_000
LONGEST_MS = 20_000
"""The function's timeout: an event is recorded within it, or not at all."""
START = 1_800_000_000_000


class OneItem:
    """The table of alerts with the note of one organization, whatever else is asked of it."""

    def __init__(self) -> None:
        self._item: dict[str, Any] | None = None

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "put_item":
            self._item = parameters["Item"]
        return {"Items": [self._item] if self._item else []}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["record", "record elsewhere", "look"]),
        st.one_of(st.integers(0, 400_000), st.sampled_from([0, 10_000, 60_000, 250_000, 4_200_000])),
        st.sampled_from([0, LONGEST_MS // 2, LONGEST_MS]),
    ),
    max_size=30,
)


@given(st.integers(-SKEW_MS, SKEW_MS), STEPS)
@settings(max_examples=effort(300, 20_000), deadline=None)
def test_organization_with_events_since_the_last_look_is_looked_at(
    skew: int, steps: list[tuple[str, int, int]]
) -> None:
    table: Any = OneItem()
    stores = {"record": AlertStore(table, "alerts"), "record elsewhere": AlertStore(table, "alerts")}
    quiet, recorded, looked = Quiet(), [START], dict.fromkeys(AFTER_MS, START)

    async def apply(kind: str, now: int, late: int) -> None:
        if kind != "look":
            await stores[kind].note_active("acme", now + skew * (kind == "record elsewhere"))
            recorded.append(now + late)
            return
        noted = (await stores["record"].active(now)).get("acme", 0)
        for look in AFTER_MS:
            if not quiet.has(look, "acme", noted):
                looked[look] = now
                quiet.saw(look, "acme", noted, now)
            assert not [at for at in recorded if looked[look] < at <= now]

    async def apply_all() -> None:
        now = START
        for kind, gap, late in steps:
            now += gap
            await apply(kind, now, late)

    asyncio.run(apply_all())


def test_organization_without_events_is_skipped_from_some_time_on() -> None:
    quiet = Quiet()
    for look, after in AFTER_MS.items():
        quiet.saw(look, "acme", START, START + after)
        assert not quiet.has(look, "acme", START)
        quiet.saw(look, "acme", START, START + after + 1)
        assert quiet.has(look, "acme", START)
        assert not quiet.has(look, "acme", START + 1)
        assert not quiet.has(look, "acme", 0)
