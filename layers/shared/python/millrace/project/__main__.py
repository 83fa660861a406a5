"""Runs and builds a project that uses Millrace as a dependency: `python -m millrace.project run`.

    init FOLDER             a new project
    run [--reload ...]      the whole stack on one machine, with the project's app/
    token                   a bearer token for the running stack
    build                   what `sam deploy` takes: functions, layers and template, with the project's app/
    emulator-requirements   the file of packages for the emulator's own environment

The stack itself (its template, functions, page and emulator) is in the installed package.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from millrace.project.files import ProjectError, stack_folder
from millrace.project.init import init
from millrace.project.sources import write_sources

Command = Callable[[Path, Sequence[str]], int]


def run(project: Path, arguments: Sequence[str]) -> int:
    """Run the stack of the project."""
    folder = str(project / "app")
    app = ["--app", folder, "--configuration", folder] if (project / "app").is_dir() else []
    emulator = project / ".venv-emulator" / "bin" / "python"
    known = {"MILLRACE_EMULATOR_PYTHON": str(emulator)} if emulator.exists() else {}
    return _stack("local", [*app, *arguments], known)


def token(project: Path, arguments: Sequence[str]) -> int:
    """Print a token for the running stack."""
    return _stack("local.token", arguments)


def build(project: Path, arguments: Sequence[str]) -> int:
    """Build the functions and layers into `.aws-sam/build`."""
    sources = project / ".aws-sam" / "sources"
    write_sources(stack_folder(), sources, project / "app")
    for command in (
        [sys.executable, "-m", "local.app", "template.yaml", "template.app.json"],
        [
            "sam",
            "build",
            "--template",
            "template.app.json",
            "--build-dir",
            str(project / ".aws-sam" / "build"),
        ],
        [sys.executable, "-m", "local.artifact", str(project / ".aws-sam" / "build"), "python3.13"],
    ):
        status = subprocess.call(command, cwd=sources, env=_environment({}))
        if status:
            return status
    return 0


def emulator_requirements(project: Path, arguments: Sequence[str]) -> int:
    """Print where they are."""
    print(stack_folder() / "local" / "requirements-emulator.txt")
    return 0


def new_project(project: Path, arguments: Sequence[str]) -> int:
    """Make a project in a folder."""
    if len(arguments) != 1:
        raise ProjectError("Name one folder: python -m millrace.project init shop")
    print(init(project / arguments[0]))
    return 0


def _stack(module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """A module of the stack, in this process's place: signals and the terminal are its own."""
    command = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, command, _environment(environment or {}))


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    known = dict(os.environ)  # noqa: TID251 (of the shell, for the processes that are started here)
    paths = [str(stack_folder()), *filter(None, [known.get("PYTHONPATH")])]
    return known | {"PYTHONPATH": os.pathsep.join(paths)} | dict(more)


COMMANDS: Mapping[str, Command] = {
    "init": new_project,
    "run": run,
    "token": token,
    "build": build,
    "emulator-requirements": emulator_requirements,
}


def main(arguments: Sequence[str]) -> int:
    """Run a command; the exit code."""
    command = COMMANDS.get(arguments[0]) if arguments else None
    if command is None:
        print(__doc__)
        return 2
    try:
        return command(Path.cwd(), arguments[1:])
    except ProjectError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
