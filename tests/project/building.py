"""Projects as users have them: with the built wheel, in their own folder."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.aws import TEMPLATE

ROOT = TEMPLATE.parent
TUTORIAL = ROOT / "docs" / "tutorial.md"
_FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def build_site(folder: Path) -> Path:
    """The contents of the wheel of this checkout, as they are installed."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        for one in archive.infolist():
            # As pip does, and zipfile does not: what was executable stays so.
            Path(archive.extract(one, site)).chmod(one.external_attr >> 16)
    return site


def environment(site: Path, folder: Path) -> dict[str, str]:
    """The variables of a shell in a folder, with the wheel in the place of this checkout."""
    emulator = ROOT / ".venv-emulator" / "bin" / "python"
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(site),
        "HOME": str(folder),
        "MILLRACE_EMULATOR_PYTHON": str(emulator),
    }


def python(site: Path, folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python in a folder, with the wheel in the place of this checkout."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(site, folder) | variables,
        capture_output=True,
        text=True,
    )


def millrace(site: Path, folder: Path, *arguments: str, **variables: str) -> str:
    """The output of a command of `millrace`, which must succeed."""
    done = python(site, folder, "-m", "millrace.cli", *arguments, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tutorial_files() -> Sequence[tuple[str, str]]:
    """The files that the tutorial writes, in its order, with their names."""
    return _FILE.findall(TUTORIAL.read_text())


def follow_tutorial(project: Path) -> None:
    """Write the files of the tutorial into a project."""
    for name, text in tutorial_files():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
