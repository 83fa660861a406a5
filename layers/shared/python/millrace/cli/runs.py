"""`millrace runs`"""

from itertools import islice
from typing import Annotated, get_args

import typer

from millrace.cli import approvals
from millrace.cli.printing import Printer
from millrace.cli.session import options_of
from millrace.domain.events import DETAILS, Detail
from millrace.domain.runs import RunState

app = typer.Typer(no_args_is_help=True)
COLUMNS = {
    "RUN": "id",
    "AGENT": "agentName",
    "STATE": "state",
    "STARTED": "startedAt",
    "COST": "cost",
    "CONVERSATION": "conversationId",
}
STATES: tuple[RunState, ...] = get_args(RunState)
RunId = Annotated[str, typer.Argument(metavar="RUN_ID")]
DetailOption = Annotated[str | None, typer.Option(help="answer, steps or full.")]


@app.command("list")
def list_runs(
    context: typer.Context,
    agent: Annotated[str | None, typer.Option(help="Only those of this agent.")] = None,
    state: Annotated[str | None, typer.Option(help=f"Only those in this state: {', '.join(STATES)}.")] = None,
    conversation: Annotated[str | None, typer.Option(help="Only those of this conversation.")] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="The maximum number.")] = 20,
) -> None:
    """List runs, latest first: your organization's with the scope observe, otherwise your own."""
    options = options_of(context)
    with options.client() as client:
        found = client.runs.list(
            agent_id=agent, state=state_of(state), conversation_id=conversation, limit=min(most, 100)
        )
        options.output.rows(islice(found, most), COLUMNS)


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
    """Follow a run from its beginning to its end, even while it waits for people.

    Ctrl-C leaves it running.
    """
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
    """Stop a run, keeping its partial answer."""
    options = options_of(context)
    with options.client() as client:
        run = client.runs.get(run_id)
        active = (
            client.conversations.get(run["conversationId"]).active_run_id if not run["threadId"] else run_id
        )
        if active != run_id:
            raise typer.BadParameter(f"{run_id} is not running: it is {run['state']}")
        options.output.document(client.conversations.stop(run["conversationId"], thread_id=run["threadId"]))


@app.command("answer")
def answer(
    context: typer.Context,
    run_id: RunId,
    call_id: Annotated[str | None, typer.Argument(help="Required if several calls of the run wait.")] = None,
    approve: approvals.Approve = False,
    reject: approvals.Reject = False,
    content: approvals.Content = None,
    arguments: approvals.Arguments = None,
    reason: approvals.Reason = None,
) -> None:
    """Answer a call for which a run waits; see also `millrace approvals answer`."""
    approvals.give(options_of(context), run_id, call_id, approve, reject, content, arguments, reason)


def state_of(text: str | None) -> RunState | None:
    """Return the requested state. Raises `typer.BadParameter`."""
    if text is None:
        return None
    for state in STATES:
        if state == text:
            return state
    raise typer.BadParameter(f"--state must be one of {', '.join(STATES)}")


def detail_of(text: str | None) -> Detail | None:
    """Return the requested detail. Raises `typer.BadParameter`."""
    if text is None:
        return None
    for detail in DETAILS:
        if detail == text:
            return detail
    raise typer.BadParameter("--detail must be answer, steps or full")
