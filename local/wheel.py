"""The files that the wheel includes besides the packages, for projects that depend on Millrace.

They are the template of the stack, its functions, layers and local emulator, the commands for AWS, and, if
built, the page and the client for browsers.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STACK = "millrace/project/stack"
CARRIED = (
    "template.yaml",
    "functions",
    "layers/runtime/streaming-bootstrap",
    "layers/runtime/python",
    "layers/shared/python/requirements.txt",
    "local",
    "cloud",
    "tests/requirements-sam.txt",
    "sdk/typescript/dist/millrace.js",
    "web/dist",
    "web/headers.json",
)


class StackInWheel(BuildHookInterface[Any]):
    """Adds the files to a wheel. An editable install uses them in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling."""
        if version == "standard":
            root = Path(self.root)
            build_data["force_include"] |= {
                str(root / name): f"{STACK}/{name}" for name in CARRIED if (root / name).exists()
            }
