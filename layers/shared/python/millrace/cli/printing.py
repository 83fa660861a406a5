"""A run on the terminal, as it happens."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from millrace.cli.output import Output, line, plain
from millrace.client.state import RunState

Event = Mapping[str, Any]


def remark(event: Event) -> str | None:
    """Return a line about an action of the agent, or None for an event without one."""
    kind = event["type"]
    if kind == "tool_call":
        return f"· {line(event['name'])} {_short(event.get('arguments'))}".rstrip()
    if kind == "tool_result":
        took = f" ({event['durationMs']} ms)" if event.get("durationMs") is not None else ""
        return f"{'✓' if event['ok'] else '✗'} {line(event['name'])}: {_short(event.get('summary'))}{took}"
    if kind == "injected":
        return f"→ {_short(event['content'])}"
    if kind == "rewind":
        return "↺ Another process continues from an earlier point."
    if kind == "approval_requested":
        asked = (
            event.get("prompt") or f"approve {event.get('name') or 'a call'} {_short(event.get('arguments'))}"
        )
        return f"? {line(asked)}"
    if kind == "approval_answered":
        return f"! {event['decision']} by {line(event.get('answeredBy') or 'nobody')}"
    if kind in ("flow_step_start", "flow_step_skipped"):
        return f"{'▸' if kind == 'flow_step_start' else '▹'} {line(event['name'])}"
    return None


def ending(state: RunState) -> str:
    """Return one line about the end of a run: tokens, cost, time."""
    used = state.usage or {}
    parts = [state.finish_reason or state.status]
    if used.get("total") is not None:
        parts.append(f"{used['total']:,} tokens")
    if state.cost is not None:
        parts.append(f"${state.cost:.4f}")
    if state.duration_ms is not None:
        parts.append(f"{state.duration_ms / 1000:.1f} s")
    return " · ".join(parts)


class Printer:
    """Prints the events of a run.

    On a terminal it prints live text and remarks, with `--json` the events, and in a pipe the final answer,
    so that it has no text that a takeover has revoked.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._mid_line = False

    def event(self, event: Event, state: RunState) -> None:
        """Print one event, which `state` already includes."""
        if self._output.json:
            self._output.json_line(event)
        elif self._output.is_terminal:
            self._live(event, state)

    def end(self, state: RunState) -> None:
        """Print the end."""
        if self._output.json:
            return
        if not self._output.is_terminal:
            if state.text:
                print(plain(state.text), flush=True)
            return
        self._break()
        if state.is_over and state.status == "done":
            self._remark(ending(state))

    def _live(self, event: Event, state: RunState) -> None:
        if piece := state.piece(event):
            sys.stdout.write(plain(piece))
            sys.stdout.flush()
            self._mid_line = not piece.endswith("\n")
        elif (text := remark(event)) is not None and "parent" not in event:
            self._remark(text)

    def _remark(self, text: str) -> None:
        self._break()
        self._output.console.print(Text(text, style="dim"))

    def _break(self) -> None:
        if self._mid_line:
            sys.stdout.write("\n")
            self._mid_line = False


def _short(value: Any) -> str:
    text = "" if value in (None, {}, "") else line(value)
    return text if len(text) <= 100 else text[:99] + "…"
