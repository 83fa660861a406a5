"""`millrace pipelines`"""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from millrace.cli.session import options_of

app = typer.Typer(no_args_is_help=True)
COLUMNS = {"ID": "id", "NAME": "name", "STATE": "state", "VERSION": "version", "UPDATED": "updatedAt"}
BATCH = 500
PipelineId = Annotated[str, typer.Argument(metavar="PIPELINE_ID")]
File = Annotated[str, typer.Option("--file", "-f", help="A file; '-' is stdin.")]


@app.command("list")
def list_pipelines(context: typer.Context) -> None:
    """List pipelines."""
    options = options_of(context)
    with options.client() as client:
        options.output.rows(client.streaming.list_pipelines(), COLUMNS)


@app.command("show")
def show(context: typer.Context, pipeline_id: PipelineId) -> None:
    """Show a pipeline with its definition."""
    options = options_of(context)
    with options.client() as client:
        options.output.document(client.streaming.get_pipeline(pipeline_id))


@app.command("create")
def create(
    context: typer.Context,
    file: File = "-",
    start: Annotated[bool, typer.Option("--start", help="Also start it.")] = False,
) -> None:
    """Create a pipeline from a definition in JSON."""
    options = options_of(context)
    definition = _json(_text(file))
    if not isinstance(definition, dict):
        raise typer.BadParameter("the definition must be a JSON object")
    with options.client() as client:
        created = client.streaming.create_pipeline(definition)
        for warning in created.warnings:
            options.output.note(f"{warning.path}: {warning.message}")
        options.output.document(client.streaming.start_pipeline(created.id) if start else created)


@app.command("push")
def push(
    context: typer.Context,
    pipeline_id: PipelineId,
    event: Annotated[str | None, typer.Argument(help="One event, as a JSON object.")] = None,
    file: File = "-",
) -> None:
    """Push events: one, or a file of JSON lines.

    A line is a payload, or `{payload, id?, type?, time?}`. With your own ids, pushing the same file again
    counts each event once.
    """
    options = options_of(context)
    accepted = 0
    with options.client() as client:
        events = iter([_json(event)]) if event is not None else _lines(file)
        while part := list(islice(events, BATCH)):
            accepted += client.streaming.batch(pipeline_id, part).accepted
            if options.output.is_terminal and event is None:
                options.output.note(f"{accepted:,} events")
    options.output.document({"accepted": accepted})


def _command(verb: str, text: str) -> None:
    @app.command(verb, help=text)
    def command(context: typer.Context, pipeline_id: PipelineId) -> None:
        options = options_of(context)
        with options.client() as client:
            options.output.document(getattr(client.streaming, f"{verb}_pipeline")(pipeline_id))


_command("start", "Start a pipeline, which then accepts events.")
_command("pause", "Pause a pipeline, which then holds new events.")
_command("resume", "Resume a paused pipeline.")
_command("stop", "Stop a pipeline, which cannot be started again.")


@app.command("metrics")
def metrics(context: typer.Context, pipeline_id: PipelineId) -> None:
    """Show counts, throughput, latency and backpressure."""
    options = options_of(context)
    with options.client() as client:
        options.output.document(client.streaming.get_pipeline_metrics(pipeline_id))


@app.command("health")
def health(context: typer.Context, pipeline_id: PipelineId) -> None:
    """Show a pipeline's health. The exit code is 1 unless it is healthy."""
    options = options_of(context)
    with options.client() as client:
        found = client.streaming.get_pipeline_health(pipeline_id)
        options.output.document(found)
    if found.status != "healthy":
        raise typer.Exit(1)


@app.command("checkpoint")
def checkpoint(context: typer.Context, pipeline_id: PipelineId) -> None:
    """Create a checkpoint of this moment, to replay from later."""
    options = options_of(context)
    with options.client() as client:
        options.output.document(client.streaming.create_checkpoint(pipeline_id))


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from error


def _lines(file: str) -> Iterator[Any]:
    """Yield the events of a file, read as they are needed."""
    if file == "-":
        yield from _events(sys.stdin)
        return
    try:
        with open(file, encoding="utf-8") as lines:
            yield from _events(lines)
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from error


def _events(lines: Any) -> Iterator[Any]:
    for number, text in enumerate(lines, 1):
        if text.strip():
            yield _json(text, f"line {number}: ")


def _json(text: str, where: str = "") -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{where}not JSON: {error}") from error
