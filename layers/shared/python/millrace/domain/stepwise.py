"""Work that is done in steps, which have names and an order."""

from collections.abc import Sequence


def name_of(steps: Sequence[str], step: int) -> str:
    """Return the name of the next step, or `done`."""
    return steps[step] if step < len(steps) else "done"
