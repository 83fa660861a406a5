"""`millrace watch`: the organization's runs, tokens, cost and alerts, live."""

import asyncio
import contextlib
import dataclasses
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from millrace.cli.session import options_of
from millrace.cli.watch.board import Board
from millrace.cli.watch.screen import render
from millrace.client import AsyncClient, Policy
from millrace.domain.clock import now_ms

FRAMES_A_SECOND = 5
PATIENT = Policy(attempts=1_000_000)
"""A view stays open until it is closed, however long the network is down."""


def watch(
    context: typer.Context,
    agent: Annotated[list[str] | None, typer.Option(help="Only this agent; may be repeated.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the active runs and exit.")] = False,
) -> None:
    """Watch every run of your organization live. Needs the scope observe.

    With --json, prints one event on each line.
    """
    options = options_of(context)
    options = dataclasses.replace(options, policy=PATIENT)
    console = options.output.console
    agents = tuple(agent or ())
    if options.output.json and not once:
        asyncio.run(_print_events(options.async_client(), agents))
        return
    with options.client() as client:
        snapshot = client.command_center.snapshot(agent_ids=agents)
        if options.output.json:
            options.output.document(snapshot)
            return
        address = client.url
    board = Board()
    board.begin(snapshot.model_dump(mode="json", by_alias=True))
    if once or not console.is_terminal:
        console.print(render(board, now_ms(), address))
        return
    asyncio.run(_show(options.async_client(), board, agents, console))


async def _show(client: AsyncClient, board: Board, agents: tuple[str, ...], console: Console) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as live:
        painter = asyncio.create_task(_paint(live, board, client.url))
        try:
            async with client:
                await follow(client, board, agents)
        finally:
            painter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await painter


async def _paint(live: Live, board: Board, address: str) -> None:
    while True:
        live.update(render(board, now_ms(), address), refresh=True)
        await asyncio.sleep(1 / FRAMES_A_SECOND)


async def follow(client: AsyncClient, board: Board, agents: tuple[str, ...] = ()) -> None:
    """Keep the board up to date forever: a snapshot, then the events after it.

    If events have expired from the log, another snapshot follows. Raises `MillraceError`.
    """
    while True:
        snapshot = await client.command_center.snapshot(agent_ids=agents)
        since = board.begin(snapshot.model_dump(mode="json", by_alias=True))
        async with client.command_center.stream(agent_ids=agents, since=since) as stream:
            async for event in stream:
                if event["type"] == "resync":
                    break
                board.apply(dict(event))


async def _print_events(client: AsyncClient, agents: tuple[str, ...]) -> None:
    from millrace.cli.output import Output

    output = Output(json=True)
    async with client, client.command_center.stream(agent_ids=agents) as stream:
        async for event in stream:
            output.json_line(event)
