"""All commands of `millrace`, and the exit codes of their errors."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from millrace import __version__
from millrace.cli import (
    agents,
    approvals,
    chat,
    dead_letters,
    deployments,
    doctor,
    exports,
    pipelines,
    profile,
    runs,
    watch,
)
from millrace.cli.configuration import commands as configuration
from millrace.cli.output import Output
from millrace.cli.session import Options, ProfileError
from millrace.cli.sign_in import SignInError
from millrace.client import (
    APIError,
    AuthenticationError,
    ConnectionLostError,
    MillraceError,
    RunWaitsError,
)
from millrace.project import commands as project

REFUSED, UNAUTHENTICATED, NO_CONNECTION, WAITS, INTERRUPTED = 1, 3, 4, 5, 130
"""Exit codes other than 0, and 2 for wrong usage."""

_RAW: Any = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
    "add_help_option": False,
}
"""Settings of commands that parse their own arguments."""

app = typer.Typer(
    name="millrace",
    help="Make, run and deploy projects, talk to agents, and operate runs and pipelines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("chat")(chat.chat)
app.command("watch")(watch.watch)
app.command("login")(profile.login)
app.command("logout")(profile.logout)
app.command("apply")(configuration.apply)
app.command("export")(configuration.export)
app.command("doctor")(doctor.doctor)
app.command("cost", **_RAW)(deployments.cost)
app.command("serve", **_RAW)(deployments.serve)
app.add_typer(runs.app, name="runs", help="List, follow, stop and answer runs.")
app.add_typer(pipelines.app, name="pipelines", help="Define and operate pipelines, and push events.")
app.add_typer(agents.app, name="agents", help="List and show agents.")
app.add_typer(approvals.app, name="approvals", help="List and answer what waits for people.")
app.add_typer(exports.app, name="exports", help="Download all data of a user or of the organization.")
dead_letters.add_to(pipelines.app)
for _name, _command in project.COMMANDS.items():
    app.command(_name, help=_command.help, rich_help_panel="A project", **_RAW)(deployments.of_project(_name))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"millrace {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(envvar="MILLRACE_URL", help="The address of the deployment.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="MILLRACE_TOKEN", show_envvar=True, help="A bearer token; '-' reads it from stdin."
        ),
    ] = None,
    profile_name: Annotated[
        str, typer.Option("--profile", envvar="MILLRACE_PROFILE", help="The login to use.")
    ] = "default",
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON: one document, or one for each line.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of all commands."""
    context.obj = Options(url, token, profile_name, Output(json))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Errors are one line on stderr."""
    try:
        found = app(_options_first(arguments), standalone_mode=False, prog_name="millrace")
    except KeyboardInterrupt:
        return INTERRUPTED
    except typer.Abort:
        return INTERRUPTED
    except typer.TyperException as error:
        return _fail(f"{error.format_message()} See: millrace --help", error.exit_code)
    except (ProfileError, SignInError) as error:
        return _fail(str(error), UNAUTHENTICATED)
    except AuthenticationError as error:
        return _fail(f"{error.message} Sign in: millrace login, or set MILLRACE_TOKEN.", UNAUTHENTICATED)
    except ConnectionLostError as error:
        return _fail(f"{error} Is the address right (--url, MILLRACE_URL)?", NO_CONNECTION)
    except RunWaitsError as error:
        return _fail(f"{error} See: millrace approvals list", WAITS)
    except (APIError, MillraceError, ValueError) as error:
        return _fail(str(error), REFUSED)
    except BrokenPipeError:
        # The reader of a pipe has closed it, so nothing may be written to it at exit either.
        sys.stderr.close()
        return 0
    return found if isinstance(found, int) else 0


def _options_first(arguments: Sequence[str] | None) -> list[str]:
    """Return the arguments with `--json`, which people write at the end, moved before the command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    if "--json" not in given[:end]:
        return given
    return ["--json", *(one for one in given[:end] if one != "--json"), *given[end:]]


def _fail(message: str, code: int) -> int:
    print(f"millrace: {message}", file=sys.stderr)
    return code
