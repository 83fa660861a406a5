"""`millrace doctor`: checks that everything needed is there, and says what to do otherwise."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any, Literal

import typer

from millrace import __version__
from millrace.cli.session import Options, ProfileError, options_of, path, variable
from millrace.client import Client, ConnectionLostError, MillraceError
from millrace.extensions import Extension, all_extensions

Status = Literal["ok", "warning", "error"]
_SIGNS = {"ok": "✓", "warning": "!", "error": "✗"}
_EXTRAS = {
    "voice": ("sentencex", "espeakng_loader", "lameenc"),
    "voice-all": ("av",),
    "voice-natural": ("piper",),
    "serve": ("uvicorn", "a2a"),
}


_START = "Start it (make run), set MILLRACE_PORT where it has another port than 8080, or name it by --url."


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a check, and the remedy for a problem."""

    check: str
    status: Status
    message: str
    remedy: str = ""


def doctor(context: typer.Context) -> None:
    """Check installation, login, connection and extensions. The exit code is 1 if something is wrong."""
    options = options_of(context)
    found = list(findings(options))
    for one in found:
        if options.output.json:
            options.output.json_line(asdict(one))
        else:
            print(f"{_SIGNS[one.status]} {one.check}: {one.message}")
            if one.remedy:
                print(f"    {one.remedy}")
    if any(one.status == "error" for one in found):
        raise typer.Exit(1)


def findings(options: Options) -> Iterator[Finding]:
    """Yield the outcome of every check."""
    yield _python()
    yield Finding("millrace", "ok", __version__)
    yield from _extras()
    yield from map(_extension, all_extensions())
    yield from _deployment(options)
    yield _credentials()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok", f"{version}, {sys.executable}")


def _extras() -> Iterator[Finding]:
    """Report the optional parts. Missing ones are not a problem."""
    there = [name for name, modules in _EXTRAS.items() if all(map(find_spec, modules))]
    missing = [name for name in _EXTRAS if name not in there]
    remedy = f"For the others: pip install 'millrace[{','.join(missing)}]'" if missing else ""
    yield Finding("extras", "ok", ", ".join(there) or "none", remedy)


def _extension(found: Extension) -> Finding:
    check = f"{found.point}: {found.name} ({found.package})"
    problem = found.problem or _check(found)
    if problem:
        remedy = "Fix, reinstall or uninstall the package; docs/extensions.md lists the requirements."
        return Finding(check, "error", problem, remedy)
    return Finding(check, "ok", "loaded")


def _check(found: Extension) -> str:
    return _CHECKS[found.point](found)


def _check_kind(found: Extension) -> str:
    from millrace.pipelines.definitions.destinations import TYPES
    from millrace.pipelines.definitions.extensions import destination_type, source_type
    from millrace.pipelines.definitions.sources import TYPES as SOURCES

    if found.name in (TYPES if found.point == "destinations" else SOURCES):
        return "Its name is built in, and the built-in one is used; rename the entry point."
    kind = (destination_type if found.point == "destinations" else source_type)(found.name)
    return kind.problem if isinstance(kind, Extension) else ""


def _check_function(found: Extension) -> str:
    from millrace.pipelines.expressions.functions import FUNCTIONS, Function

    if not isinstance(found.value, Function):
        return "It must be a millrace.pipelines.expressions.functions.Function."
    return "Its name is built in, and the built-in one is used." if found.name in FUNCTIONS else ""


def _check_callable(found: Extension) -> str:
    return "" if callable(found.value) else "It must be a function."


_CHECKS: dict[str, Callable[[Extension], str]] = {
    "destinations": _check_kind,
    "sources": _check_kind,
    "providers": _check_callable,
    "speech_engines": _check_callable,
    "expression_functions": _check_function,
}


def _deployment(options: Options) -> Iterator[Finding]:
    try:
        client = options.client()
    except ProfileError as error:
        yield Finding("login", "error", str(error))
        return
    with client:
        try:
            client.agents.list(limit=1).page()
        except ProfileError as error:  # the local stack, whose user signs in with the first request
            yield Finding("login", "error", str(error), _START)
        except ConnectionLostError as error:
            yield Finding("connection", "error", str(error), _START)
        except MillraceError as error:
            yield Finding("login", "error", f"{client.url}: {error}", "Sign in: millrace login URL")
        else:
            yield Finding("login", "ok", f"{client.url}, {_login()}")
            yield from _served(client)


def _login() -> str:
    return "by MILLRACE_TOKEN" if variable("MILLRACE_TOKEN") else f"by {path()}, or as the local dev user"


def _served(client: Client) -> Iterator[Finding]:
    """Report the deployment's providers and kinds of destinations, including those of installed packages."""
    try:
        version = str(client.request("GET", "/api/health").get("version"))
        parts, schema = client.agents.parts(), client.streaming.get_schema()
    except MillraceError as error:
        yield Finding("deployment", "warning", f"its parts cannot be read: {error}")
        return
    if version != __version__:
        remedy = f"Install the same here: pip install millrace=={version}"
        yield Finding("version", "warning", f"the deployment has {version}, this is {__version__}", remedy)
    yield Finding("providers of the deployment", "ok", ", ".join(parts.providers))
    yield Finding("destinations of the deployment", "ok", ", ".join(_destinations(schema)))


def _destinations(schema: dict[str, Any]) -> list[str]:
    mappings = [
        one.get("discriminator", {}).get("mapping", {})
        for one in schema.get("properties", {}).get("destination", {}).get("anyOf", ())
    ]
    return sorted({name for mapping in mappings for name in mapping})


def _credentials() -> Finding:
    """Check AWS credentials, which commands for a stack on AWS need."""
    import boto3

    session = boto3.Session()
    if session.get_credentials() is None:
        remedy = "Only `make deploy` and the like need them: set AWS_PROFILE, or run `aws configure`."
        return Finding("aws", "warning", "there are no credentials", remedy)
    if not session.region_name:
        return Finding("aws", "warning", "there is no region", "Set AWS_DEFAULT_REGION.")
    return Finding("aws", "ok", f"credentials are there, region {session.region_name}")
