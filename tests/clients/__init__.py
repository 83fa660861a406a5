"""Third-party JavaScript clients, run in Node as their users run them.

Scripts lie beside this file (`tests/clients/<name>.mjs`), import the packages of `package.json` (installed by
`make install`), read their arguments from `process.argv` and print one JSON value: what the client saw.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from local.node import command, environment

FOLDER = Path(__file__).parent


async def run_client(script: str, *arguments: str, stdin: str = "", seconds: float = 60) -> Any:
    """Run `tests/clients/<script>` under Node and return the JSON value that it printed last.

    Skips the test where the packages are not installed. Raises AssertionError with what the script wrote if
    it fails, TimeoutError if it takes longer than `seconds`.
    """
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("the JavaScript clients are not installed: make install")
    process = await asyncio.create_subprocess_exec(
        *command(["node", str(FOLDER / script), *arguments]),
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), seconds)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, f"{script} failed:\n{out.decode()}\n{err.decode()}"
    return json.loads(out.decode().strip().split("\n")[-1])


async def run_example(document: str, number: int = 0, **values: str) -> Any:
    """Run the JavaScript example of a page in `docs/`, the first or another one, with the values of its
    constants; return what it logs last."""
    code = re.findall(r"```js\n(.*?)```", (FOLDER.parents[1] / "docs" / document).read_text(), re.DOTALL)[
        number
    ]
    constants = [f"const {name} = {json.dumps(value)};" for name, value in values.items()]
    logs = "console.log = (value) => process.stdout.write(JSON.stringify(value) + '\\n');"
    # Beside the packages: Node looks for them from where a file lies.
    with NamedTemporaryFile("w", suffix=".mjs", dir=FOLDER) as script:
        script.write("\n".join([logs, *constants, code]))
        script.flush()
        return await run_client(Path(script.name).name)
