"""`millrace chat`: one question, or a conversation on the terminal."""

import asyncio
import sys
from typing import Annotated
from uuid import uuid4

import typer

from millrace.cli.output import Output
from millrace.cli.printing import Printer
from millrace.cli.session import Options, options_of
from millrace.client import Client, NotStreamingError, RunState
from millrace.client.blocking import RunStream
from millrace.domain.event_types import RunEvent

USUAL = ("assistant", "demo")
"""The default agents; the first one that exists is used."""


def chat(
    context: typer.Context,
    message: Annotated[
        str | None, typer.Argument(help="One question; without it, or in a pipe, stdin.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="The agent of a new conversation.")] = None,
    conversation: Annotated[str | None, typer.Option(help="Continue this conversation.")] = None,
) -> None:
    """Talk to an agent.

    While it answers, what you type reaches it as a live message. Ctrl-C stops the answer, or ends the chat
    when nothing is running. Questions and approvals are answered in place.
    """
    options = options_of(context)
    text = message if message is not None else _piped()
    with options.client() as client:
        chosen = agent or (None if conversation else _usual_agent(client))
        place = conversation or f"cli-{uuid4()}"
        if text is not None:
            _ask(client, options.output, place, text, chosen)
            return
    asyncio.run(_converse(options, place, chosen))


def _piped() -> str | None:
    """Return the text that is piped in, or None if a person types.

    Raises `typer.BadParameter` if it is empty.
    """
    if sys.stdin.isatty():
        return None
    text = sys.stdin.read().strip()
    if not text:
        raise typer.BadParameter("the message is missing: pass it as an argument, or pipe it in")
    return text


def _usual_agent(client: Client) -> str:
    there = [agent.id for agent in client.agents.list()]
    return next((one for one in USUAL if one in there), there[0])


def _ask(client: Client, output: Output, conversation: str, text: str, agent: str | None) -> None:
    """Ask one question. Ctrl-C stops the run and prints its partial answer. Raises `MillraceError`."""
    printer = Printer(output)
    stream = client.conversations.send_message_stream(conversation, text, agent_id=agent)
    try:
        _print(printer, stream)
    except KeyboardInterrupt:
        _stop(client, printer, conversation, stream)
        raise
    stream.state.checked()


def _print(printer: Printer, stream: RunStream[RunEvent], state: RunState | None = None) -> None:
    with stream:
        for event in stream:
            if state is not None:
                state.apply(event, stream.last_event_id)
            printer.event(event, state or stream.state)
    printer.end(state or stream.state)


def _stop(client: Client, printer: Printer, conversation: str, stream: RunStream[RunEvent]) -> None:
    try:
        client.conversations.stop(conversation)
    except NotStreamingError:
        return
    if stream.run_id:
        rest = client.runs.stream(stream.run_id, after=stream.last_event_id)
        _print(printer, rest, stream.state)


async def _converse(options: Options, conversation: str, agent: str | None) -> None:
    from millrace.cli.conversation import Talk  # only this needs prompt_toolkit

    async with options.async_client() as client:
        await Talk(client, conversation, agent).run()
