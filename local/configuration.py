"""A project's configuration files, applied to the dev organization as by `millrace apply`."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from watchfiles import awatch

from local.console import Console
from millrace.cli.configuration.files import ENDINGS

Token = Callable[[], str]


def has_files(folder: Path) -> bool:
    """Return whether a folder has files to apply."""
    return folder.is_dir() and any(file.suffix in ENDINGS for file in folder.iterdir())


async def apply_files(folder: Path, url: str, token: str, console: Console) -> None:
    """Apply a folder's files, and show the changes or mistakes on the console."""
    command = [sys.executable, "-m", "millrace.cli", "apply", str(folder), "--yes"]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | {"MILLRACE_URL": url, "MILLRACE_TOKEN": token},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    text = output.decode(errors="replace").strip()
    console.say(f"{folder.name}/ is applied. {text}" if not process.returncode else text, _color(process))


def _color(process: asyncio.subprocess.Process) -> str:
    return "red" if process.returncode else "dim"


async def changes(folder: Path) -> AsyncIterator[None]:
    """Yield at each change of the files."""
    async for _ in awatch(folder, watch_filter=lambda _, path: path.endswith(ENDINGS)):
        yield None
