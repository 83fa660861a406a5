"""The sources that sam builds of a project: the stack's functions and layers, and the project's own code."""

import re
import shutil
from importlib.metadata import version
from pathlib import Path

_COPIED = ("functions", "layers")
_NOT = shutil.ignore_patterns("__pycache__", "*.pyc")


def write_sources(stack: Path, target: Path, app: Path) -> None:
    """Write them anew into a folder. The layer of the product is the installed version, from the registry."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in _COPIED:
        shutil.copytree(stack / name, target / name, ignore=_NOT)
    shutil.copy(stack / "template.yaml", target)
    if app.is_dir():
        shutil.copytree(app, target / "app", ignore=_NOT)
    shared = target / "layers" / "shared" / "python"
    locked = (shared / "requirements.txt").read_text()
    # Without hashes: pip would want one of the wheel of Millrace as well.
    plain = re.sub(r"[ \\\n]*--hash=\S+", "", locked)
    (shared / "requirements.txt").write_text(f"{plain}\nmillrace=={version('millrace')}\n")
