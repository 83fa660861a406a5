"""`millrace apply` and `millrace export`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from millrace.cli.configuration.carry_out import carry_out
from millrace.cli.configuration.errors import ConfigurationError, Interrupted
from millrace.cli.configuration.export import exported
from millrace.cli.configuration.files import SECTIONS, read_files
from millrace.cli.configuration.plan import Change, Planner
from millrace.cli.configuration.references import References
from millrace.cli.configuration.texts import write_text
from millrace.cli.output import Output, line
from millrace.cli.session import Options, options_of, variable

WRONG_FILES, FAILED, PENDING = 2, 1, 6
"""Exit codes: the files are invalid, applying stopped in the middle, a dry run found changes."""
ADDRESS = "MILLRACE_URL"
_SIGNS = {"create": "+", "update": "~", "delete": "-"}
_HEADER = (
    "# Made by `millrace export`. Secrets are references: set these variables, see `millrace apply --help`.\n"
)


def apply(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(help="YAML or JSON; folders; '-' is stdin.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the plan; the exit code is 6 if there is one.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the changes.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what has a file's label but is not in the file any more.")
    ] = False,
    secrets: Annotated[
        bool, typer.Option("--secrets", help="Write secrets again, because they cannot be compared.")
    ] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Also change what has the label of another file.")
    ] = False,
) -> None:
    """Make a deployment match files: agents, pipelines, flows, alerts and secrets."""
    options = options_of(context)
    references = References(_variables(options), _asking(dry_run, "-" in files))
    try:
        configuration = read_files(files, references)
        with options.client() as client:
            changes = Planner(client, references, secrets, take_over).plan(configuration, prune)
            pending = [one for one in changes if one.action != "unchanged"]
            _show(options.output, changes)
            if dry_run or not pending:
                raise typer.Exit(PENDING if pending else 0)
            _confirm(yes, len(pending))
            carry_out(client, pending, lambda change: _report(options.output, change))
    except ConfigurationError as error:
        options.output.note(str(error))
        raise typer.Exit(WRONG_FILES) from error
    except Interrupted as error:
        options.output.note(str(error))
        raise typer.Exit(FAILED) from error


def _variables(options: Options) -> Callable[[str], str | None]:
    """Return a lookup of environment variables, which includes the deployment's address from a login."""
    return lambda name: variable(name) or (options.address if name == ADDRESS else None)


def export(
    context: typer.Context,
    label: Annotated[
        str | None, typer.Option("--label", help="Only what has this label; the file gets it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; the default is stdout.")
    ] = None,
) -> None:
    """Print the configuration of a deployment as a file for `millrace apply`; with --json as JSON."""
    options = options_of(context)
    with options.client() as client:
        found = exported(client, label)
    if options.output.json:
        options.output.json_line(found)
        return
    text = _HEADER + write_text(found)
    if output is None:
        print(text, end="")
    else:
        output.write_text(text, encoding="utf-8")
        options.output.note(f"Written: {output}")


def _asking(dry_run: bool, reads_stdin: bool) -> Any:
    """Return the function that answers `${prompt.NAME}`, or None without a terminal.

    A dry run needs no real answers.
    """
    if dry_run:
        return lambda name: f"the answer for {name}"
    if reads_stdin or not sys.stdin.isatty():
        return None
    return lambda name: typer.prompt(name, hide_input=True, err=True)


def _confirm(yes: bool, count: int) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask in; confirm with --yes")
    typer.confirm(f"Make {count} change{'s' if count > 1 else ''}?", abort=True, err=True)


def _show(output: Output, changes: Sequence[Change]) -> None:
    if output.json:
        output.json_line({"changes": [one.to_json() for one in changes]})
        return
    for change in sorted(changes, key=lambda one: (one.action == "delete", SECTIONS.index(one.section))):
        if change.action != "unchanged":
            print(f"{_SIGNS[change.action]} {_title(change)}")
            for text in _details(change):
                print(f"    {text}")
    unchanged = sum(one.action == "unchanged" for one in changes)
    nothing = "Nothing to do. " if unchanged == len(changes) else ""
    print(f"{nothing}{unchanged} unchanged.")


def _title(change: Change) -> str:
    where = f"  ({change.file})" if change.file else ""
    return f"{change.section}.{line(change.key)}{where}"


def _details(change: Change) -> list[str]:
    fields = [f"{one['path']}: {_short(one, 'before')} -> {_short(one, 'after')}" for one in change.fields]
    if change.action == "update" and not fields and not change.moves:
        fields = ["its secrets are written again"]
    return [*map(line, fields), *change.moves, *(f"warning: {line(one)}" for one in change.warnings)]


def _short(difference: dict[str, Any], side: str) -> str:
    if side not in difference:
        return "none"
    text = line(difference[side])
    return text if len(text) <= 60 else text[:59] + "…"


def _report(output: Output, change: Change) -> None:
    if not output.json:
        print(f"{change.action}d: {change.section}.{line(change.key)}")
