"""The stack's files: beside this module in an installed package, at the top of a checkout."""

from pathlib import Path

_HERE = Path(__file__).resolve().parent


class ProjectError(Exception):
    """Something is missing in a project. The message says what to do."""


def stack_folder() -> Path:
    """Return the folder with the template, the functions, the layers and the local stack. Raises
    `ProjectError`."""
    checkout = _HERE.parents[4]
    for folder in (_HERE / "stack", checkout):
        if (folder / "template.yaml").is_file() and (folder / "local").is_dir():
            return folder
    raise ProjectError(
        "This installation of Millrace does not include the stack. Install it again: pip install "
        "'millrace[local]'"
    )
