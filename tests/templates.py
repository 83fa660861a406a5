"""The project's template, read once per process. It is shared, so copy what you change."""

from functools import cache
from pathlib import Path
from typing import Any

from local.template import Template, read_template
from local.template_yaml import parse_template

TEMPLATE = Path(__file__).parent.parent / "template.yaml"


@cache
def written() -> dict[str, Any]:
    """Return the template as written."""
    found: dict[str, Any] = parse_template(TEMPLATE.read_text())
    return found


@cache
def translated() -> Template:
    """Return the template as SAM translates it, for the emulator."""
    return read_template(TEMPLATE)
