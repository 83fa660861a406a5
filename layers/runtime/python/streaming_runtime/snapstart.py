"""SnapStart: hooks around the snapshot, in the registry of AWS's `snapshot_restore_py` if it is installed.

Hooks are functions or coroutine functions. Before-hooks run in reverse order of registration and after-hooks
in order, as in Lambda's own Python runtime.
"""

import importlib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

Hook = Callable[..., Any]
Entry = tuple[Hook, tuple[Any, ...], dict[str, Any]]


class Registry:
    """A replacement for `snapshot_restore_py` with the same functions, if that module is not installed."""

    def __init__(self) -> None:
        self._before: list[Entry] = []
        self._after: list[Entry] = []

    def register_before_snapshot(self, hook: Hook, *args: Any, **kwargs: Any) -> Hook:
        self._before.append((hook, args, kwargs))
        return hook

    def register_after_restore(self, hook: Hook, *args: Any, **kwargs: Any) -> Hook:
        self._after.append((hook, args, kwargs))
        return hook

    def get_before_snapshot(self) -> list[Entry]:
        return self._before

    def get_after_restore(self) -> list[Entry]:
        return self._after


OWN = Registry()


def registry() -> Any:
    """Return AWS's module if it can be imported, so that all hooks have one order; otherwise our own."""
    try:
        return importlib.import_module("snapshot_restore_py")
    except ImportError:
        return OWN


def before_snapshot(hook: Hook, *args: Any, **kwargs: Any) -> Hook:
    """Register `hook` to run before the snapshot is taken. Can be used as a decorator."""
    registry().register_before_snapshot(hook, *args, **kwargs)
    return hook


def after_restore(hook: Hook, *args: Any, **kwargs: Any) -> Hook:
    """Register `hook` to run in each restored environment. Can be used as a decorator."""
    registry().register_after_restore(hook, *args, **kwargs)
    return hook


async def run_before_snapshot() -> None:
    """Run the before-hooks. Raises what they raise."""
    await _run(reversed(list(registry().get_before_snapshot())))


async def run_after_restore() -> None:
    """Run the after-hooks. Raises what they raise."""
    await _run(list(registry().get_after_restore()))


async def _run(entries: Iterable[Entry]) -> None:
    for hook, args, kwargs in entries:
        result = hook(*args, **kwargs)
        if inspect.isawaitable(result):
            await result
