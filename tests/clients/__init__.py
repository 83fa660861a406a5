"""Other people's JavaScript clients, run by Node as their users run them.

Scripts lie beside this file (`tests/clients/<name>.mjs`), import the packages of `package.json` (installed by
`make install`), read their arguments from `process.argv` and print one JSON value: what the client saw.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from local.node import command, environment

FOLDER = Path(__file__).parent


async def run_client(script: str, *arguments: str, seconds: float = 60) -> Any:
    """Run `tests/clients/<script>` under Node and return the JSON value that it printed last.

    Skips the test where the packages are not installed. Raises AssertionError with what the script wrote if
    it fails, TimeoutError if it takes longer than `seconds`.
    """
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("the JavaScript clients are not installed: make install")
    process = await asyncio.create_subprocess_exec(
        *command(["node", str(FOLDER / script), *arguments]),
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), seconds)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, f"{script} failed:\n{out.decode()}\n{err.decode()}"
    return json.loads(out.decode().strip().splitlines()[-1])
