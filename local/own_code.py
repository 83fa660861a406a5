"""The project's own code, loaded once in a separate process to check that the functions can load it."""

import asyncio
import os
import sys
from collections.abc import Mapping

from local.app import App

_LOAD = """
import sys
from millrace.agent.own import InvalidApp
from millrace.services.runs.own_code import load_checked
try:
    load_checked(sys.argv[1])
except InvalidApp as error:
    sys.exit(str(error))
"""


async def mistake_in(app: App, variables: Mapping[str, str]) -> str | None:
    """Return the mistake that prevents functions from loading the code, on one line, or None."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _LOAD, ",".join(app.packages)),
        env=os.environ | variables | {"PYTHONPATH": str(app.folder)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, output = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    text = output.decode(errors="replace").strip()
    return text.splitlines()[-1] if process.returncode and text else None
