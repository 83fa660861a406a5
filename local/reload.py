"""Map a change on disk to the affected functions: that of the folder, or all that use the layer."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from watchfiles import PythonFilter, awatch

from local.deploy import Deployment, Function


@dataclass(frozen=True)
class Change:
    """Logical ids of the functions to restart; `template` is set if the template itself changed."""

    functions: tuple[str, ...]
    template: bool


async def changes(deployment: Deployment, template: Path) -> AsyncIterator[Change]:
    """Yield changes of code in functions and layers, and of the template. Raises `OSError`."""
    folders = {folder for function in deployment.functions.values() for folder in _folders(function)}
    wanted = PythonFilter(extra_extensions=(".yaml", ".json", ".txt", ".md"))
    async for batch in awatch(*folders, template, watch_filter=wanted):
        yield change_of((Path(path) for _, path in batch), deployment, template)


def change_of(paths: Iterable[Path], deployment: Deployment, template: Path) -> Change:
    changed = [path.resolve() for path in paths]
    concerned = [name for name, one in deployment.functions.items() if _concerns(one, changed)]
    return Change(tuple(concerned), template.resolve() in changed)


def _concerns(function: Function, changed: Iterable[Path]) -> bool:
    folders = [folder.resolve() for folder in _folders(function)]
    return any(path.is_relative_to(folder) for path in changed for folder in folders)


def _folders(function: Function) -> tuple[Path, ...]:
    return (function.source.code, *function.source.layers)
