"""A process knows in which slots it begins runs, and has begun some after a moment."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.conversations import Slot
from millrace.stores import begun_slots
from millrace.stores.begun_slots import BegunSlots

SLOTS = [Slot("org", f"c{number}") for number in range(4)]


class Model:
    """The slots in which runs are being begun, and all those in which one has been."""

    def __init__(self) -> None:
        self.slots = BegunSlots()
        self.under_way: list[tuple[Slot, AbstractContextManager[None]]] = []
        self.ended: list[Slot] = []
        self.moments: list[tuple[int, int]] = [(0, 0)]  # a moment, and the beginnings that had ended by then

    def begin(self, slot: Slot) -> None:
        beginning = self.slots.beginning(slot)
        beginning.__enter__()
        self.under_way.append((slot, beginning))

    def end(self, number: int) -> None:
        if self.under_way:
            slot, beginning = self.under_way.pop(number % len(self.under_way))
            beginning.__exit__(None, None, None)
            self.ended.append(slot)

    def note(self) -> None:
        self.moments.append((self.slots.now, len(self.ended)))

    def expected(self) -> Iterator[tuple[Slot, int, bool]]:
        active = {slot.key for slot, _ in self.under_way}
        for slot in SLOTS:
            for moment, before in self.moments:
                yield slot, moment, slot.key in active or slot in self.ended[before:]


STEPS = st.lists(
    st.tuples(st.just("begin"), st.sampled_from(SLOTS))
    | st.tuples(st.just("end"), st.integers(0, 5))
    | st.just(("note",)),
    max_size=30,
)


@given(steps=STEPS, remembered=st.sampled_from([2, 1000]))
def test_slot_is_late_for_what_was_read_before_another_run_began(
    steps: list[tuple[object, ...]], remembered: int
) -> None:
    """Forgotten slots count as late, which costs a head start; nothing that is late is missed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(begun_slots, "REMEMBERED", remembered)
        model = Model()
        for name, *arguments in steps:
            getattr(model, str(name))(*arguments)
            for slot, moment, late in model.expected():
                found = model.slots.since(slot, moment)
                assert found or not late
                assert late or not found or remembered < len(SLOTS)


async def test_whoever_waits_goes_on_when_no_run_is_being_begun_and_those_who_left_hold_up_nobody() -> None:
    slots, slot = BegunSlots(), SLOTS[0]
    await slots.settled(slot)
    with slots.beginning(slot):
        waiting = [asyncio.create_task(slots.settled(slot)) for _ in range(3)]
        elsewhere = asyncio.create_task(slots.settled(SLOTS[1]))
        with slots.beginning(slot):
            await elsewhere
        waiting[0].cancel()
        await asyncio.wait({waiting[0]})
        assert not any(one.done() for one in waiting[1:])
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting[1:])
    assert not slots._waiting


async def test_failed_beginning_ends_the_wait() -> None:
    slots, slot = BegunSlots(), SLOTS[0]
    with suppress(LookupError), slots.beginning(slot):
        waiting = asyncio.create_task(slots.settled(slot))
        await asyncio.sleep(0)
        raise LookupError
    async with asyncio.timeout(60):
        await waiting
    assert not slots._waiting
