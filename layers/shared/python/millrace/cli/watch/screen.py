"""The board as text: runs, totals, alerts."""

from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from millrace.cli.watch.board import Board
from millrace.domain.clock import from_iso
from millrace.domain.events import Event

SHOWN = 30


def render(board: Board, now: int, state: str) -> RenderableType:
    """Return the whole screen; `now` in milliseconds, `state` is that of the connection."""
    parts: list[RenderableType] = [_totals(board, state), _runs(board, now)]
    if board.alerts:
        parts.insert(1, _alerts(board))
    if any(run["status"] == "waiting" for run in board.runs.values()):
        parts.append(_waiting(board))
    if board.recent:
        parts.append(_recent(board))
    return Group(*parts)


def _totals(board: Board, state: str) -> RenderableType:
    figures = (
        f"{len(board.runs)} running   {board.started} started   {board.completed} completed   "
        f"{board.failed} failed   {board.tokens:,} tokens   {_dollars(board.cost)}"
    )
    return Panel(Text(figures), title="Millrace", subtitle=state)


def _alerts(board: Board) -> RenderableType:
    lines = [f"{alert['name']} since {alert.get('triggeredAt') or '?'}" for alert in board.alerts.values()]
    return Panel(Text("\n".join(map(_plain, lines)), style="bold red"), title="Alerts")


def _runs(board: Board, now: int) -> RenderableType:
    table = Table(expand=True, title="Runs", title_justify="left")
    for name in ("Agent", "Run", "State", "Tool"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for name in ("Tokens", "Cost", "Age"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in list(board.runs.values())[:SHOWN]:
        table.add_row(*(Text(_plain(cell)) for cell in _row(run, now)))
    if len(board.runs) > SHOWN:
        table.caption = f"and {len(board.runs) - SHOWN} more"
    return table


def _waiting(board: Board) -> RenderableType:
    """Return the runs that wait for a person, with their questions if the view has seen them."""
    runs = [run for run in board.runs.values() if run["status"] == "waiting"]
    lines = [line for run in runs for line in _asks(run, board)]
    return Panel(Text("\n".join(map(_plain, lines[:SHOWN])), style="yellow"), title="Waiting for an answer")


def _asks(run: dict[str, Any], board: Board) -> list[str]:
    who = f"{run.get('agentName') or run['agentId']} ({run['runId']})"
    calls = board.waiting.get(run["runId"], {}).values()
    asked = [call.get("prompt") or f"approve {call.get('name') or 'a call'}" for call in calls]
    return [f"{who}: {text}" for text in asked or ["see millrace approvals list"]]


def _row(run: dict[str, Any], now: int) -> list[str]:
    age = max(0, now - from_iso(run["startedAt"])) // 1000
    return [
        run.get("agentName") or run["agentId"],
        run["runId"],
        run["status"],
        run.get("tool") or "",
        "" if run.get("tokens") is None else f"{run['tokens']:,}",
        _dollars(run.get("cost")),
        f"{age // 60}:{age % 60:02d}",
    ]


def _recent(board: Board) -> RenderableType:
    return Panel(Text("\n".join(_plain(_line(event)) for event in board.recent)), title="Ended last")


def _line(event: Event) -> str:
    failed = event["type"] == "run:error"
    text = event["error"]["message"] if failed else event.get("result") or ""
    short = " ".join(str(text).split())[:80]
    return f"{'failed   ' if failed else 'completed'} {event.get('agentName') or event['agentId']}: {short}"


def _plain(text: str) -> str:
    """Return a text without terminal control characters, because agents and users write these texts."""
    return "".join(character if character.isprintable() else " " for character in text)


def _dollars(cost: float | None) -> str:
    return "" if cost is None else f"${cost:.4f}"
