"""Work that is done step by step, in the order of its steps' names."""

from collections.abc import Sequence


def name_of(steps: Sequence[str], step: int) -> str:
    """The name of the step that comes next, or `done`."""
    return steps[step] if step < len(steps) else "done"
