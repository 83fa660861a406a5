"""`millrace exec COMMAND ...`: runs a command with what the functions of the running stack have: its AWS, the
names of its tables, and the variables of app/template.yaml."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from millrace.project.files import ProjectError

PORT = 8080
FUNCTION = "ConversationFunction"
"""A function that has the variables of all functions that run agents."""
_SECONDS = 10.0


def address() -> str:
    """Return the address of the stack on this machine."""
    port = os.environ.get("MILLRACE_PORT") or PORT  # noqa: TID251 (of the shell)
    return f"http://localhost:{port}"


def run(project: Path, arguments: Sequence[str]) -> int:
    """Replace this process with the command."""
    if not arguments:
        raise ProjectError("Pass a command: millrace exec python seed.py")
    shell = dict(os.environ)  # noqa: TID251 (of the shell, for the command)
    environment = shell | variables(_description(address())) | _paths(project, shell)
    try:
        os.execvpe(arguments[0], list(arguments), environment)
    except OSError as error:
        raise ProjectError(f"{arguments[0]} cannot be run: {error.strerror}.") from error


def variables(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of a stack's functions, and those by which boto3 and the AWS CLI reach its AWS."""
    aws = stack["arguments"]
    return {
        **stack["functions"][FUNCTION]["environment"],
        "AWS_ENDPOINT_URL": aws["endpoint_url"],
        "AWS_REGION": aws["region_name"],
        "AWS_DEFAULT_REGION": aws["region_name"],
        "AWS_ACCESS_KEY_ID": aws["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": aws["aws_secret_access_key"],
    }


def _paths(project: Path, shell: Mapping[str, str]) -> dict[str, str]:
    """Return the paths with the programs of this environment first, and with the packages of app/."""
    programs = [str(Path(sys.executable).parent), *filter(None, [shell.get("PATH")])]
    modules = [str(project / "app"), *filter(None, [shell.get("PYTHONPATH")])]
    return {"PATH": os.pathsep.join(programs), "PYTHONPATH": os.pathsep.join(modules)}


def _description(url: str) -> dict[str, Any]:
    import httpx

    try:
        found: dict[str, Any] = httpx.get(f"{url}/_local/stack", timeout=_SECONDS).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise ProjectError(f"No stack is running at {url} ({error}): start it with `make run`.") from error
    return found
