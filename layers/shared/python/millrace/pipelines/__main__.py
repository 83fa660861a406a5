"""`python -m millrace.pipelines run|explain|schema|functions`: pipelines on a file, without any service.

Exit codes: 0 all well, 1 events were dead-lettered or could not be read, 2 the definition or the call is
wrong.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import orjson

from millrace.domain.clock import iso, now_ms
from millrace.domain.json_reader import read_json
from millrace.errors import MillraceError
from millrace.pipelines.definitions.definition import json_schema, parse_definition
from millrace.pipelines.event import Event
from millrace.pipelines.explain import explain
from millrace.pipelines.expressions.reference import functions_page
from millrace.pipelines.local_run import LocalRun
from millrace.pipelines.plan import Plan, compile_plan
from millrace.pipelines.reader import Reader, Unreadable

_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_DEFINITION_BYTES = 1_000_000


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
        sys.stdout.flush()
        return code
    except MillraceError as error:
        _complain(error)
    except OSError as error:
        print(f"{error.filename or 'output'}: {error.strerror}", file=sys.stderr)
    return 2


def _complain(error: MillraceError) -> None:
    for problem in error.details.get("problems", []):
        print(f"{problem['path'] or 'definition'}: {problem['message']}", file=sys.stderr)
    if "problems" not in error.details:
        print(error.message, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m millrace.pipelines", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    run = _command(commands, "run", _run, "outputs as JSON lines, dead letters and counts on stderr")
    run.add_argument("--json", action="store_true", help="one report on stdout instead")
    _command(commands, "explain", _explain, "what each step does to each event, as JSON lines")
    commands.add_parser("schema", help="the JSON Schema of definitions").set_defaults(command=_schema)
    page = commands.add_parser("functions", help="the reference of the expression language (Markdown)")
    page.set_defaults(command=_functions)
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: object, help: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help)
    command.set_defaults(command=does)
    command.add_argument("definition", type=Path, help="a definition as JSON")
    command.add_argument("events", nargs="?", help="events as JSON lines (default: standard input)")
    command.add_argument(
        "--envelope",
        action="store_true",
        help="lines are {id, type, source, time, payload} instead of payloads",
    )
    command.add_argument(
        "--start", default=iso(now_ms()), help="the time of the first event without one (default: now)"
    )
    return command


def _plan(path: Path) -> Plan:
    if path.stat().st_size > _DEFINITION_BYTES:
        raise Unreadable(f"{path}: a definition must not exceed {_DEFINITION_BYTES:,} bytes.")
    return compile_plan(parse_definition(read_json(path.read_bytes(), str(path))))


def _source(options: argparse.Namespace) -> BinaryIO:
    if options.events in (None, "-"):
        return sys.stdin.buffer
    return Path(options.events).open("rb")


def _run(options: argparse.Namespace) -> int:
    local = LocalRun(_plan(options.definition))
    with _source(options) as source:
        reader = Reader(source, options.envelope, options.start)
        if options.json:
            outputs = [event.payload for event in _outputs(local, reader, quiet=True)]
            report = {"outputs": outputs, **_report(local, reader)}
            report["deadLetters"] = [dead_letter.as_json() for dead_letter in local.dead_letters]
            _write(report, _INDENTED)
            return int(bool(local.dead_letters or reader.problems))
        for event in _outputs(local, reader, quiet=False):
            _write(event.payload, orjson.OPT_APPEND_NEWLINE)
    _note(_report(local, reader))
    return int(bool(reader.problems or any(count.failed for count in local.counts)))


def _outputs(local: LocalRun, reader: Reader, quiet: bool) -> Iterator[Event]:
    for events in reader.chunks():
        yield from local.feed(events)
        _note_dead_letters(local, quiet)
    yield from local.finish()
    _note_dead_letters(local, quiet)


def _note_dead_letters(local: LocalRun, quiet: bool) -> None:
    if not quiet:
        for dead_letter in local.take_dead_letters():
            _note({"deadLetter": dead_letter.as_json()})


def _report(local: LocalRun, reader: Reader) -> dict[str, object]:
    steps = [
        {"step": at, "type": step.step.type, **local.counts[at].as_json()}
        for at, step in enumerate(local.plan.steps)
    ]
    return {"read": reader.read, "unreadable": reader.problems, "steps": steps}


def _explain(options: argparse.Namespace) -> int:
    plan = _plan(options.definition)
    with _source(options) as source:
        reader = Reader(source, options.envelope, options.start)
        for events in reader.chunks():
            for event in events:
                _write(explain(plan, event), orjson.OPT_APPEND_NEWLINE)
    for problem in reader.problems:
        _note(problem)
    return int(bool(reader.problems))


def _schema(options: argparse.Namespace) -> int:
    _write(json_schema(), _INDENTED)
    return 0


def _functions(options: argparse.Namespace) -> int:
    sys.stdout.write(functions_page())
    return 0


def _write(value: object, option: int) -> None:
    sys.stdout.buffer.write(orjson.dumps(value, option=option))


def _note(value: object) -> None:
    print(orjson.dumps(value).decode(), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
