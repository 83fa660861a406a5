"""The TypeScript client in `sdk/typescript` as its users have it: built, in Node and in a browser."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from local.node import command, environment

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sdk" / "typescript"
REFERENCE = ROOT / "sdk" / "reference"

SNIPPETS = sorted(path.stem for path in REFERENCE.glob("*.ts"))
"""The snippets of the reference that use the client, copied as they stand."""


def snippet(name: str) -> str:
    return (REFERENCE / f"{name}.ts").read_text()


def node(version: str) -> list[str]:
    """The argv of a Node: our own, or the oldest that the client supports, where this machine has it."""
    if version != "20":
        return command(["node"])
    path = shutil.which("node")
    if path and subprocess.run([path, "--version"], capture_output=True, text=True).stdout.startswith("v20."):
        return [path]
    pytest.skip("this machine has no Node 20")


@contextmanager
def script(code: str, ending: str = ".mjs") -> Iterator[Path]:
    """A module in the package's folder, where `@millrace/client` is the package itself."""
    if not (PACKAGE / "dist" / "index.js").is_file():
        pytest.fail("The client is not built: make sdk/typescript/dist/index.js")
    with NamedTemporaryFile("w", suffix=ending, dir=PACKAGE) as file:
        file.write(code)
        file.flush()
        yield Path(file.name)


async def run_module(code: str, *arguments: str, version: str = "24", seconds: float = 60) -> str:
    """Run a module and return its output, when it has ended by itself: nothing keeps it alive. Raises
    AssertionError with the output if it fails."""
    with script(code) as path:
        process = await asyncio.create_subprocess_exec(
            *node(version),
            str(path),
            *arguments,
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), seconds)
        except BaseException:
            process.kill()
            await process.wait()
            raise
    assert process.returncode == 0, out.decode()
    return out.decode()


def bundle(entry: str, ending: str = ".mjs") -> str:
    """The module as one script for browsers."""
    with script(entry, ending) as path:
        arguments = ["--bundle", "--format=iife", "--jsx=automatic", "--log-level=error"]
        program = [str(PACKAGE / "node_modules" / ".bin" / "esbuild"), str(path), *arguments]
        return subprocess.run(
            program, check=True, capture_output=True, text=True, env=environment(), cwd=PACKAGE
        ).stdout


def blocks(document: str, language: str) -> list[str]:
    """The code of a page in `docs/`."""
    text = (ROOT / "docs" / document).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def constants(**values: str) -> str:
    return "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
