"""Slots for jobs of unproven destinations."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.retries import MOST_SENDS, again_ms
from millrace.domain.unproven_slots import (
    OF_DESTINATION,
    OF_ORGANIZATION,
    SLOT_MS,
    UnprovenSlots,
    enter,
    leave,
)

NOW = 1_790_000_000_000
STEPS = st.lists(
    st.tuples(st.sampled_from(["enter", "leave", "crash"]), st.sampled_from("abc"), st.integers(0, SLOT_MS)),
    max_size=40,
)


@given(STEPS)
def test_unproven_slots_are_limited_and_always_returned(
    steps: list[tuple[str, str, int]],
) -> None:
    slots, now = UnprovenSlots(), NOW
    inside: list[tuple[str, int]] = []
    for verb, destination, later in steps:
        if verb == "enter":
            slots, entered = enter(slots, destination, now)
            inside = [one for one in inside if one[1] > now]
            assert (
                entered or len(inside) == OF_ORGANIZATION or inside_of(inside, destination) == OF_DESTINATION
            )
            if entered:
                inside.append((destination, now + SLOT_MS))
            assert len(inside) <= OF_ORGANIZATION
            assert inside_of(inside, destination) <= OF_DESTINATION
        elif verb == "leave" and (held := next((one for one in inside if one[0] == destination), None)):
            slots = leave(slots, destination, now)
            inside.remove(held)
        else:
            now += later
    slots, entered = enter(slots, "z", now + SLOT_MS)
    assert entered, "whoever crashed with a place has lost it by then"


def inside_of(inside: list[tuple[str, int]], destination: str) -> int:
    return sum(one == destination for one, _ in inside)


def test_day_of_sending_again_stays_below_the_limit_of_sends() -> None:
    """Even where each pass would find at once that it has to come again."""
    sends, passed = 0, 0
    while passed < 24 * 3_600_000:
        passed += max(again_ms(sends), 1)
        sends += 1
    assert 1_000 < sends < MOST_SENDS
    assert again_ms(0) == again_ms(7) == 0
    assert again_ms(8) == 1_000
    assert again_ms(10_000) == 60_000
