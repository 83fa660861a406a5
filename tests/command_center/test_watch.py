"""The terminal view: its state, its screen, and reconnecting."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rich.console import Console

from millrace.cli.app import run
from millrace.cli.watch import follow
from millrace.cli.watch.board import Board
from millrace.cli.watch.screen import render
from millrace.client import AsyncClient, AuthenticationError
from millrace.domain.events import Event
from millrace.services.command_center.record import Recorder, record
from tests.command_center.conftest import NOON
from tests.command_center.making import started, whole_run


class WatchedBoard(Board):
    """A board that tells when it changes."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    def begin(self, snapshot: dict[str, Any]) -> int:
        since = super().begin(snapshot)
        self.changed.set()
        return since

    def apply(self, event: Event) -> None:
        super().apply(event)
        self.changed.set()

    async def when(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await self.changed.wait()
                self.changed.clear()


def token_of(center: httpx.Client) -> str:
    return center.headers["authorization"].removeprefix("Bearer ")


def screen_of(board: Board) -> str:
    console = Console(width=140, color_system=None)
    with console.capture() as shown:
        console.print(render(board, NOON + 61_000, "here"))
    return shown.get()


def test_board_follows_runs_from_start_to_end() -> None:
    board = Board()
    board.begin({"since": 0, "runs": [], "alerts": []})
    events = whole_run("org", "run_1")
    for event in events[:3]:
        board.apply(event)
    assert board.runs["run_1"]["tool"] == "echo_tool"
    for event in events[3:]:
        board.apply(event)
    assert (board.runs, board.started, board.completed, board.tokens, board.cost) == ({}, 1, 1, 10, 0.5)


def test_screen_shows_runs_tokens_cost_and_alerts() -> None:
    board = Board()
    for event in whole_run("org", "run_1")[:6]:
        board.apply(event)
    board.apply({"type": "alert:triggered", "alert": {"ruleId": "r", "name": "Costs", "triggeredAt": "noon"}})
    shown = screen_of(board)
    for wanted in ("run_1", "Echo", "$0.2500", "10 tokens", "Costs since noon", "1:01", "1 running"):
        assert wanted in shown


def test_text_of_agents_cannot_control_the_terminal() -> None:
    board = Board()
    said = "[bold]no markup[/bold] \x1b[2Jnor escapes"
    for event in whole_run("org", "run_1")[:-1]:
        board.apply(event)
    board.apply(whole_run("org", "run_1")[-1] | {"result": said})
    shown = screen_of(board)
    assert "[bold]no markup[/bold]" in shown
    assert "\x1b[2J" not in shown


async def test_view_begins_with_a_snapshot_and_follows(
    recorder: Recorder, center: httpx.Client, organization: str
) -> None:
    await record(recorder, organization, [started(organization, "run_1")])
    board = WatchedBoard()
    async with AsyncClient(str(center.base_url), token_of(center)) as client:
        following = asyncio.create_task(follow(client, board))
        await board.when(lambda: bool(board.runs))
        assert set(board.runs) == {"run_1"}
        await record(recorder, organization, whole_run(organization, "run_2")[:1])
        await record(recorder, organization, whole_run(organization, "run_1")[1:])
        await board.when(lambda: board.completed == 1)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
    assert set(board.runs) == {"run_2"}
    assert board.recent[0]["runId"] == "run_1"


async def test_refusal_ends_the_view(center: httpx.Client) -> None:
    async with AsyncClient(str(center.base_url)) as client:
        with pytest.raises(AuthenticationError, match="bearer token"):
            await follow(client, Board())


def test_once_option_prints_active_runs_and_ends(
    center: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--url", str(center.base_url), "--token", token_of(center), "watch", "--once"]) == 0
    assert "0 running" in capsys.readouterr().out


def test_token_that_does_not_hold_is_told(center: httpx.Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--url", str(center.base_url), "--token", "nonsense", "watch", "--once"]) == 3
    assert "token is invalid" in capsys.readouterr().err
