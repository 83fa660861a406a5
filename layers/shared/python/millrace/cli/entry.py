"""The console script: runs the command line, or says what it needs."""

import sys

from millrace.project import commands as project


def main() -> None:
    """Run a command and exit. Commands of a project need less, and parse their own arguments."""
    if sys.argv[1:2] and sys.argv[1] in project.COMMANDS:
        sys.exit(project.main(sys.argv[1:]))
    try:
        from millrace.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "prompt_toolkit", "yaml"):
            raise
        sys.exit(
            f"This command needs {error.name}, which {sys.executable} does not have. "
            f"Install it: pip install 'millrace[cli]' (without it there are {', '.join(_alone())})."
        )
    sys.exit(run())


def _alone() -> list[str]:
    return [name for name, command in project.COMMANDS.items() if not command.local]
