"""The console script: runs the command line, or says what is missing for it."""

import sys


def main() -> None:
    """Run the command line, and exit."""
    try:
        from millrace.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("typer", "rich", "prompt_toolkit", "yaml"):
            raise
        sys.exit(f"The command line needs {error.name}. Install it: pip install 'millrace[cli]'")
    sys.exit(run())
