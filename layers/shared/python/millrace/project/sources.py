"""The sources that sam builds for a project: the stack's functions and layers, and the project's own code."""

import shutil
from pathlib import Path

import millrace

_COPIED = ("functions", "layers")
_NOT = shutil.ignore_patterns("__pycache__", "*.pyc")
_NOT_OF_THE_PACKAGE = shutil.ignore_patterns(
    "__pycache__", "*.pyc", "docs", "stack", "starter", "*.md", "llms.txt"
)
"""Parts of the package for projects and their authors, which no function uses."""


def write_sources(stack: Path, target: Path, app: Path) -> None:
    """Write the sources into a folder, replacing it. The product's layer is the installed package."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in _COPIED:
        shutil.copytree(stack / name, target / name, ignore=_NOT)
    shutil.copy(stack / "template.yaml", target)
    if app.is_dir():
        shutil.copytree(app, target / "app", ignore=_NOT)
    package = target / "layers" / "shared" / "python" / "millrace"
    shutil.copytree(Path(millrace.__file__).parent, package, ignore=_NOT_OF_THE_PACKAGE, dirs_exist_ok=True)
