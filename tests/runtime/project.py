"""A project outside this repository that follows the README of the runtime: an environment of its own with
the built package, and the README's snippets as its files."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.missing import missing
from tests.runtime.harness import LAYER, ROOT

README = LAYER / "README.md"


def uv() -> str:
    """The program uv, which `make install` brings."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    return found or missing("uv is missing: `make install` brings it")


def run(*command: object) -> None:
    """Run a command that must succeed, and show what it said where it does not."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def build_wheel(folder: Path) -> Path:
    """The wheel of the runtime, built by uv with this environment's hatchling."""
    arguments = ["--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder]
    run(uv(), "build", "-q", *arguments, LAYER)
    [wheel] = folder.glob("*.whl")
    return wheel


def make_environment(folder: Path, python: str, *packages: str | Path) -> Path:
    """A fresh environment of `python` with `packages` in the versions of our lock file; its folder `bin`.

    What `make install` has downloaded is taken from uv's cache, so that mostly nothing is asked of an index.
    """
    run(uv(), "venv", "-q", "--python", python, folder)
    install = [uv(), "pip", "install", "-q", "--python", folder / "bin" / "python"]
    constraints = ["-c", ROOT / "tests" / "requirements.txt"]
    try:
        run(*install, "--offline", *constraints, *packages)
    except AssertionError:
        run(*install, *constraints, *packages)
    return folder / "bin"


def snippet(name: str) -> str:
    """The block of Python in the README whose first line is `# name`."""
    [block] = [block for block in blocks("python") if block.startswith(f"# {name}\n")]
    return block


def image_command() -> list[str]:
    """Entry point and command of the README's Dockerfile."""
    [dockerfile] = blocks("dockerfile")
    words = dict(re.findall(r"^(ENTRYPOINT|CMD) \[(.+)\]$", dockerfile, re.MULTILINE))
    return re.findall(r'"([^"]+)"', words["ENTRYPOINT"] + words["CMD"])


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language in the README."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
