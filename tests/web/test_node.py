from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.node import command

ROOT = Path(__file__).parents[2]


def run_node(*arguments: str) -> str:
    program = [sys.executable, "-m", "local.node", *arguments]
    return subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout


def test_node_comes_from_the_locked_python_package() -> None:
    assert run_node("node", "--version").startswith("v24.")


def test_programs_that_npm_starts_find_the_same_node() -> None:
    assert run_node("npm", "--prefix", "web", "exec", "--no", "--call", "node --version").startswith("v24.")


@pytest.mark.parametrize("arguments", [[], ["yarn"]])
def test_another_program_is_refused_with_the_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="Usage"):
        command(arguments)
