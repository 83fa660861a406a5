"""The commands of a project that has Millrace as a dependency: `millrace init`, `run`, `build`, `deploy` ...

The stack itself (its template, functions, page, emulator and the code that calls AWS) is in the installed
package. `init` and `docs` need only Millrace; the others need its extra `local`.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from millrace.project import changes, client, docs, within
from millrace.project.files import ProjectError, stack_folder
from millrace.project.init import init
from millrace.project.sources import write_sources

LOCAL = ("samtranslator", "uvicorn", "watchfiles", "h11", "awslambdaric", "typer", "yaml")
"""One module of each package of the extra `local`, to check that they are installed."""
_REQUIREMENTS = {"emulator": "local/requirements-emulator.txt", "sam": "tests/requirements-sam.txt"}


@dataclass(frozen=True, slots=True)
class Command:
    """A command. `run` gets the project's folder and the arguments. `local` says that it needs that extra."""

    help: str
    run: Callable[[Path, Sequence[str]], int]
    local: bool = True


def _init(project: Path, arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise ProjectError("Pass one folder: millrace init shop")
    print(init(project / arguments[0], arguments[0]))
    return 0


def _run(project: Path, arguments: Sequence[str]) -> int:
    own, app = [argument for argument in arguments if argument != "--fresh"], project / "app"
    if app.is_dir() and project != stack_folder():
        changes.announce(project)
        kept = _kept(project, fresh="--fresh" in arguments)
        own = ["--app", str(app), "--configuration", str(app), "--keep", kept, *own]
    emulator = project / ".venv-emulator" / "bin" / "python"
    known = {"MILLRACE_EMULATOR_PYTHON": str(emulator)} if emulator.exists() else {}
    return _stack("local", own, known)


def _kept(project: Path, *, fresh: bool) -> str:
    from shutil import rmtree

    kept = project / ".local" / "stack"
    if fresh:
        rmtree(kept, ignore_errors=True)
    return str(kept)


def _build(project: Path, arguments: Sequence[str]) -> int:
    _require_project(project)
    changes.announce(project)
    sources, output = project / ".aws-sam" / "sources", project / ".aws-sam" / "build"
    write_sources(stack_folder(), sources, project / "app")
    python = [sys.executable, "-m"]
    sam = ["build", "--template", "template.app.json", "--build-dir", str(output)]
    for command in (
        [*python, "local.app", "template.yaml", "template.app.json"],
        [_sam(project), *sam],
        [*python, "local.artifact", str(output), "python3.13"],
        [*python, "cloud.gradual", str(output / "template.yaml"), *arguments],
    ):
        if status := subprocess.call(command, cwd=sources, env=_environment({})):
            return status
    return 0


def _sam(project: Path) -> str:
    from shutil import which

    if which("python3.13") is None:
        raise ProjectError("Building the functions requires python3.13 on PATH.")
    own = project / ".venv-sam" / "bin" / "sam"
    found = str(own) if own.exists() else which("sam")
    if found is None:
        raise ProjectError("The SAM CLI is missing: `make build` installs it into .venv-sam.")
    return found


def _cloud(name: str) -> Callable[[Path, Sequence[str]], int]:
    def run(project: Path, arguments: Sequence[str]) -> int:
        _require_project(project)
        return _stack(f"cloud.{name}", arguments, {"MILLRACE_PROJECT": str(project)})

    return run


def _token(project: Path, arguments: Sequence[str]) -> int:
    return _stack("local.token", arguments)


def _requirements(project: Path, arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in _REQUIREMENTS:
        raise ProjectError(f"Name one of {', '.join(_REQUIREMENTS)}.")
    print(stack_folder() / _REQUIREMENTS[arguments[0]])
    return 0


def _require_project(project: Path) -> None:
    if project == stack_folder():
        raise ProjectError("This is a checkout of Millrace itself: use its own targets, see `make help`.")
    if not (project / "samconfig.toml").is_file():
        raise ProjectError(
            f"{project} is not a project: it has no samconfig.toml. Change to your project, or create one: "
            "millrace init shop"
        )


def _stack(module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Replace this process with a module of the stack, which then gets its signals and terminal."""
    command = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, command, _environment(environment or {}))


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    known = dict(os.environ)  # noqa: TID251 (of the shell, for the processes that are started here)
    paths = [str(stack_folder()), *filter(None, [known.get("PYTHONPATH")])]
    return known | {"PYTHONPATH": os.pathsep.join(paths), "SAM_CLI_TELEMETRY": "0"} | dict(more)


COMMANDS: Mapping[str, Command] = {
    "init": Command("Create a new project in a folder.", _init, local=False),
    "run": Command("Run the whole stack on this machine, with the project's app/.", _run),
    "token": Command("Print a bearer token for the running stack.", _token),
    "exec": Command(
        "Run a command with the AWS, the tables and the settings of the running stack.", within.run
    ),
    "client": Command("Write the browser client and its sign-in settings into a folder.", client.run, False),
    "build": Command("Build the functions, layers and template for a deployment, with app/.", _build),
    "deploy": Command("Deploy the build, and print the next steps.", _cloud("deploy")),
    "first-user": Command(
        "Create a user of a deployment: the admin of an organization.", _cloud("first_user")
    ),
    "page": Command("Serve the page on this machine, for a deployment without CloudFront.", _cloud("page")),
    "environment": Command("Print the variables of the deployed functions.", _cloud("environment")),
    "destroy": Command("Delete the deployed stack; data are kept and listed.", _cloud("destroy")),
    "reattach": Command("Create a stack from what destroy has kept.", _cloud("reattach")),
    "docs": Command(
        "Search the documentation of this version: millrace docs approval", docs.run, local=False
    ),
    "requirements": Command(
        "Print the path of the requirements of the emulator or of sam.", _requirements, False
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    command = COMMANDS[arguments[0]]
    try:
        if command.local:
            _require_local(arguments[0])
        return command.run(Path.cwd().resolve(), arguments[1:])
    except ProjectError as error:
        print(f"millrace: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of a pipe has stopped reading; nothing may be written to it at exit either.
        sys.stderr.close()
        return 0


def _require_local(name: str) -> None:
    missing = [module for module in LOCAL if find_spec(module) is None]
    if missing:
        raise ProjectError(
            f"`millrace {name}` needs {', '.join(missing)}, which {sys.executable} does not have. In a "
            f"project, `make {name}` installs everything; otherwise: pip install 'millrace[local]'"
        )
