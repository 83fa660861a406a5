"""`millrace approvals`"""

import json
from typing import Annotated, Any

import typer

from millrace.cli.session import Options, options_of
from millrace.client import Client
from millrace.client.resources.runs import Decision

app = typer.Typer(no_args_is_help=True)
COLUMNS = {
    "RUN": "runId",
    "CALL": "callId",
    "AGENT": "agentName",
    "KIND": "kind",
    "NAME": "name",
    "ARGUMENTS": "arguments",
    "QUESTION": "prompt",
    "EXPIRES": "expiresAt",
}
Approve = Annotated[bool, typer.Option("--approve", help="Let the tool run.")]
Reject = Annotated[bool, typer.Option("--reject", help="Do not let it run, or leave a question open.")]
Content = Annotated[str | None, typer.Option("--content", help="The answer to a question: text, or JSON.")]
Arguments = Annotated[str | None, typer.Option("--arguments", help="JSON: other arguments for the tool.")]
Reason = Annotated[str | None, typer.Option("--reason", help="A reason, which the agent gets.")]


@app.command("list")
def list_approvals(
    context: typer.Context,
    conversation: Annotated[str | None, typer.Option(help="Only those of this conversation.")] = None,
) -> None:
    """List the calls that wait for people."""
    options = options_of(context)
    with options.client() as client:
        options.output.rows(client.approvals.list(conversation_id=conversation), COLUMNS)


@app.command("answer")
def answer(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument()],
    call_id: Annotated[str | None, typer.Argument(help="Required if several calls of the run wait.")] = None,
    approve: Approve = False,
    reject: Reject = False,
    content: Content = None,
    arguments: Arguments = None,
    reason: Reason = None,
) -> None:
    """Answer a call."""
    give(options_of(context), run_id, call_id, approve, reject, content, arguments, reason)


def give(
    options: Options,
    run_id: str,
    call_id: str | None,
    approve: bool,
    reject: bool,
    content: str | None,
    arguments: str | None,
    reason: str | None,
) -> None:
    """Send the requested answer. Raises `typer.BadParameter` and `MillraceError`."""
    if approve + reject + (content is not None) != 1:
        raise typer.BadParameter("pass one of --approve, --reject and --content")
    decision: Decision = "approve" if approve else "reject" if reject else "answer"
    with options.client() as client:
        answered = client.approvals.answer(
            run_id,
            call_id or only_call(client, run_id),
            decision,
            content=None if content is None else value_of(content),
            arguments=None if arguments is None else _object(arguments),
            reason=reason,
        )
        options.output.document(answered)


def only_call(client: Client, run_id: str) -> str:
    """Return the only waiting call of a run. Raises `typer.BadParameter`."""
    waiting = [call.call_id for call in client.approvals.list() if call.run_id == run_id]
    if len(waiting) != 1:
        raise typer.BadParameter(f"{len(waiting)} calls of {run_id} wait: {', '.join(waiting) or 'none'}")
    return waiting[0]


def value_of(text: str) -> Any:
    """Return the answer to a question: JSON if it is valid, otherwise the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _object(text: str) -> dict[str, Any]:
    found = value_of(text)
    if not isinstance(found, dict):
        raise typer.BadParameter("--arguments must be a JSON object")
    return found
