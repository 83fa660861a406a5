"""The sources of the layer with a project's own code, as `sam build` gets them.

A function has this layer beside the product's own. So Millrace is not installed into it once more, only what
its extras add, and no package gets another version than in the product's layer: Lambda puts both layers into
one folder, where the files of two versions would mix.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

PRODUCT = "millrace"
REQUIREMENTS, CONSTRAINTS = "requirements.txt", "constraints.txt"
_PIN = re.compile(r"^[\w.-]+==[\w.+!-]+( ;[^\\]*)?", re.MULTILINE)


def write_layer(app: Path, product: Path, target: Path) -> None:
    """Copy `app/` to a folder, where its requirements are what the layer installs. `product` lists the
    packages of the product's layer."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(app, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    wanted = target / REQUIREMENTS
    if wanted.exists():
        lines = [f"-c {CONSTRAINTS}", *layer_requirements(wanted.read_text().splitlines())]
        wanted.write_text("\n".join(lines) + "\n")
        (target / CONSTRAINTS).write_text("\n".join(pins(product.read_text())) + "\n")


def layer_requirements(lines: Iterable[str]) -> Iterator[str]:
    """Return the lines of a requirements file with what Millrace's extras need in the place of Millrace."""
    for line in lines:
        if extras := _extras(line):
            yield from extras
        elif extras is None:
            yield line


def pins(locked: str) -> list[str]:
    """Return the pinned versions of a locked requirements file, without their hashes: pip would demand hashes
    of everything else, too."""
    return [found[0].strip() for found in _PIN.finditer(locked)]


def _extras(line: str) -> list[str] | None:
    """Return what a requirement of Millrace adds to it; None for any other line."""
    try:
        wanted = Requirement(line.partition(" #")[0])
    except InvalidRequirement:  # a comment, an option, a continued line
        return None
    if wanted.name.lower() != PRODUCT:
        return None
    return [
        f"{one.name}{_in_brackets(one.extras)}{one.specifier}"
        for one in map(Requirement, requires(PRODUCT) or [])
        if one.marker and any(one.marker.evaluate({"extra": extra}) for extra in wanted.extras)
    ]


def _in_brackets(extras: set[str]) -> str:
    return f"[{','.join(sorted(extras))}]" if extras else ""
