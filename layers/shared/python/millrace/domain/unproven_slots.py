"""Slots for jobs whose destinations have not answered well lately, as pure steps.

A destination that never answers occupies a slot for the whole timeout of each job. Until it has answered
well, only a few of its jobs, and a few of all such jobs of an organization, run at once; the rest is retried
later. So whatever an organization's destinations do, the deliver function has time for all others.
"""

from collections import Counter

from msgspec import Struct, field

OF_DESTINATION = 2
OF_ORGANIZATION = 3
SLOT_MS = 60_000
"""The time after which a slot that was not released is free again, because its holder has crashed."""


class UnprovenSlots(Struct, frozen=True):
    """The occupied slots. `held` has, for each, the destination and the latest time at which it is free again
    (epoch ms)."""

    held: list[tuple[str, int]] = field(default_factory=list)


def enter(slots: UnprovenSlots, destination: str, now: int) -> tuple[UnprovenSlots, bool]:
    """Occupy a slot, if one is free."""
    held = [(one, until) for one, until in slots.held if until > now]
    if len(held) >= OF_ORGANIZATION or Counter(one for one, _ in held)[destination] >= OF_DESTINATION:
        return slots, False
    return UnprovenSlots([*held, (destination, now + SLOT_MS)]), True


def leave(slots: UnprovenSlots, destination: str, now: int) -> UnprovenSlots:
    """Release a slot."""
    held = [(one, until) for one, until in slots.held if until > now]
    mine = next((at for at, (one, _) in enumerate(held) if one == destination), None)
    return UnprovenSlots(held if mine is None else [*held[:mine], *held[mine + 1 :]])
