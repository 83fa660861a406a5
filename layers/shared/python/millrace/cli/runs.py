"""`millrace runs`"""

from typing import Annotated

import typer

from millrace.cli import approvals
from millrace.cli.printing import Printer
from millrace.cli.session import options_of
from millrace.domain.events import DETAILS, Detail

app = typer.Typer(no_args_is_help=True)
COLUMNS = {
    "RUN": "runId",
    "AGENT": "agentName",
    "STATUS": "status",
    "TOOL": "tool",
    "TOKENS": "tokens",
    "COST": "cost",
    "CONVERSATION": "conversationId",
    "STARTED": "startedAt",
}
RunId = Annotated[str, typer.Argument(metavar="RUN_ID")]
DetailOption = Annotated[str | None, typer.Option(help="answer, steps or full.")]


@app.command("list")
def list_runs(
    context: typer.Context,
    agent: Annotated[list[str] | None, typer.Option(help="Only this agent; may be repeated.")] = None,
) -> None:
    """List the runs under way in your organization. Needs the scope observe."""
    options = options_of(context)
    with options.client() as client:
        options.output.rows(client.command_center.snapshot(agent_ids=agent or ()).runs, COLUMNS)


@app.command("show")
def show(context: typer.Context, run_id: RunId) -> None:
    """Show a run."""
    options = options_of(context)
    with options.client() as client:
        options.output.document(client.runs.get(run_id))


@app.command("tail")
def tail(
    context: typer.Context,
    run_id: RunId,
    after: Annotated[
        str | None, typer.Option(help="Only what follows the event with this id or number.")
    ] = None,
    detail: DetailOption = None,
) -> None:
    """Follow a run, from its beginning to its end: also while it waits for people. Ctrl-C leaves it
    running."""
    options = options_of(context)
    printer = Printer(options.output)
    with (
        options.client() as client,
        client.runs.stream(run_id, after=after, detail=detail_of(detail), through_waiting=True) as stream,
    ):
        for event in stream:
            printer.event(event, stream.state)
        printer.end(stream.state)
        if stream.state.status == "error":
            stream.state.checked()


@app.command("stop")
def stop(context: typer.Context, run_id: RunId) -> None:
    """Stop a run; what it has said is kept."""
    options = options_of(context)
    with options.client() as client:
        run = client.runs.get(run_id)
        active = (
            client.conversations.get(run["conversationId"]).active_run_id if not run["threadId"] else run_id
        )
        if active != run_id:
            raise typer.BadParameter(f"{run_id} does not run: it is {run['state']}")
        options.output.document(client.conversations.stop(run["conversationId"], thread_id=run["threadId"]))


@app.command("answer")
def answer(
    context: typer.Context,
    run_id: RunId,
    call_id: Annotated[str | None, typer.Argument(help="Needed where several calls of the run wait.")] = None,
    approve: approvals.Approve = False,
    reject: approvals.Reject = False,
    content: approvals.Content = None,
    arguments: approvals.Arguments = None,
    reason: approvals.Reason = None,
) -> None:
    """Answer a call for which a run waits; see also `millrace approvals answer`."""
    approvals.give(options_of(context), run_id, call_id, approve, reject, content, arguments, reason)


def detail_of(text: str | None) -> Detail | None:
    """The detail that was asked for. Raises `typer.BadParameter`."""
    if text is None:
        return None
    for detail in DETAILS:
        if detail == text:
            return detail
    raise typer.BadParameter("--detail must be answer, steps or full")
