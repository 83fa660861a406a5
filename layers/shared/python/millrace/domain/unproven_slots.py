"""Slots for jobs whose destinations have not answered well lately, as pure steps.

A destination that never answers holds each job for the whole of its timeout. Until one has answered well, few
of its jobs are under way at once, and few of all such jobs of an organization; the rest comes again later. So
whatever an organization's destinations do, the deliver function has time for all others.
"""

from collections import Counter

from msgspec import Struct, field

OF_DESTINATION = 2
OF_ORGANIZATION = 3
SLOT_MS = 60_000
"""A place that was not given back by then: its holder has crashed."""


class UnprovenSlots(Struct, frozen=True):
    """`held`: for each place that is taken, by which destination and until when at most (epoch ms)."""

    held: list[tuple[str, int]] = field(default_factory=list)


def enter(slots: UnprovenSlots, destination: str, now: int) -> tuple[UnprovenSlots, bool]:
    """Take a place, if there is one."""
    held = [(one, until) for one, until in slots.held if until > now]
    if len(held) >= OF_ORGANIZATION or Counter(one for one, _ in held)[destination] >= OF_DESTINATION:
        return slots, False
    return UnprovenSlots([*held, (destination, now + SLOT_MS)]), True


def leave(slots: UnprovenSlots, destination: str, now: int) -> UnprovenSlots:
    """Give a place back."""
    held = [(one, until) for one, until in slots.held if until > now]
    mine = next((at for at, (one, _) in enumerate(held) if one == destination), None)
    return UnprovenSlots(held if mine is None else [*held[:mine], *held[mine + 1 :]])
