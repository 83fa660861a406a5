"""The sources of the layer with a project's own code, for `sam build`.

A function has this layer in addition to the product's. So Millrace is not installed again, only the packages
that its extras add, in the versions of the product's layer: Lambda extracts both layers into one folder,
where the files of two versions would mix.
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
    """Copy `app/` to a folder, with the requirements that the layer installs.

    `product` is the requirements file of the product's layer.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(app, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    wanted = target / REQUIREMENTS
    if wanted.exists():
        lines = [f"-c {CONSTRAINTS}", *layer_requirements(wanted.read_text().splitlines())]
        wanted.write_text("\n".join(lines) + "\n")
        (target / CONSTRAINTS).write_text("\n".join(pins(product.read_text())) + "\n")


def layer_requirements(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a requirements file, with Millrace replaced by the packages of its extras."""
    for line in lines:
        if extras := _extras(line):
            yield from extras
        elif extras is None:
            yield line


def pins(locked: str) -> list[str]:
    """Return the pinned versions of a locked requirements file.

    Hashes are omitted, because pip would then require them for all packages.
    """
    return [found[0].strip() for found in _PIN.finditer(locked)]


def _extras(line: str) -> list[str] | None:
    """Return the packages that a requirement of Millrace adds, or None for any other line."""
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
