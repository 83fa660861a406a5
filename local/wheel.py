"""The files that the wheel carries beside the packages, for projects that have Millrace as a dependency: the
template of the stack, its functions, layers and local emulator, the commands that talk to AWS, and, where
they are built, the page and the client for browsers."""

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
    """Adds the files to a wheel; an editable install has them where they are."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling."""
        if version == "standard":
            root = Path(self.root)
            build_data["force_include"] |= {
                str(root / name): f"{STACK}/{name}" for name in CARRIED if (root / name).exists()
            }
