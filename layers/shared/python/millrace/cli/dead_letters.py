"""`millrace pipelines dead-letters` and `millrace pipelines redrive`"""

from typing import Annotated

import typer

from millrace.cli.pipelines import PipelineId
from millrace.cli.session import options_of

COLUMNS = {
    "ID": "id",
    "PLACE": "place",
    "ATTEMPTS": "attempts",
    "STATUS": "status",
    "ERROR": "error",
    "ACCEPTED": "acceptedAt",
}
Place = Annotated[
    str | None, typer.Option(help="Only those of this step or destination: step:<n>, destination:<n>.")
]
Code = Annotated[str | None, typer.Option(help="Only those with this code.")]
Since = Annotated[str | None, typer.Option(help="Only those accepted at or after this time (ISO 8601).")]
Until = Annotated[str | None, typer.Option(help="Only those accepted before this time (ISO 8601).")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("dead-letters")(dead_letters)
    app.command("redrive")(redrive)


def dead_letters(
    context: typer.Context,
    pipeline_id: PipelineId,
    place: Place = None,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    count: Annotated[bool, typer.Option("--count", help="Only count them.")] = False,
) -> None:
    """List the events that could not be processed or delivered."""
    options = options_of(context)
    with options.client() as client:
        streaming = client.streaming
        if count:
            options.output.document(
                streaming.count_dead_letters(pipeline_id, place=place, code=code, since=since, until=until)
            )
            return
        found = streaming.list_dead_letters(pipeline_id, place=place, code=code, since=since, until=until)
        options.output.rows(found, COLUMNS)


def redrive(
    context: typer.Context,
    pipeline_id: PipelineId,
    place: Place = None,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    original: Annotated[
        bool, typer.Option("--original", help="Each with the version it was accepted with.")
    ] = False,
    per_second: Annotated[int | None, typer.Option(help="Events per second: 1 to 500.")] = None,
) -> None:
    """Redrive dead letters: all, or the selected ones."""
    options = options_of(context)
    with options.client() as client:
        options.output.document(
            client.streaming.redrive(
                pipeline_id,
                place=place,
                code=code,
                since=since,
                until=until,
                version="original" if original else None,
                per_second=per_second,
            )
        )
