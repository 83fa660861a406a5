"""docs/benchmarks.md, from what was measured."""

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench._growth import TIMES, Curve
from tests.bench._peers import Peer

COLUMNS = {
    "first_token_ms": "first token, ms",
    "cpu_us_per_token": "CPU per token, us",
    "from_start_ms": "start to first token, ms",
    "cpu_from_start_ms": "the same, CPU ms",
    "mb_per_stream": "MB per stream",
    "mb_idle": "MB idle",
}
WHY = {
    "first_token_ms": "They ask the model at once. We store the message and take the conversation's lease "
    "first, so that an accepted message survives the process: one read and one write, on an emulator that "
    "takes some milliseconds for each.",
    "cpu_us_per_token": "They read less of what passes, or none of it. We number each event, filter thinking "
    "out of the text, and write the log from which any client resumes.",
    "from_start_ms": "They import less: no AWS client, no store, no tokens of users to check.",
    "cpu_from_start_ms": "They import less: no AWS client, no store, no tokens of users to check.",
    "mb_per_stream": "A stream of ours has the tasks that log it and watch its lease beside the one that "
    "sends it.",
    "mb_idle": "They import less.",
}
Rows = Mapping[Peer, Mapping[str, float]]


def report(
    rows: Rows,
    versions: Mapping[Peer, str],
    grown: Sequence[Curve],
    pipelines: Mapping[str, float],
    method: tuple[int, int, int],
) -> str:
    """The document. `method`: the answers of each peer, their tokens, and the streams at the same time."""
    rounds, tokens, streams = method
    return "\n".join(
        [
            "# Benchmarks: side by side with what you would pick instead",
            "",
            "This page is written by a measurement on one machine. Read the ratios; times depend on the "
            "machine. Every server answers the same request with the same fake model, over HTTP/1.1.",
            "",
            *_table(rows),
            "",
            "In brackets: the figure as a multiple of Millrace's. Above 1, Millrace is ahead.",
            "",
            "## Where a peer is ahead, and why",
            "",
            *_behind(rows),
            "",
            "## What the peers do",
            "",
            *(f"- **{peer.name}** ({versions[peer]}): {peer.does}." for peer in rows),
            "",
            "## Pipelines",
            "",
            "Filter, a map of six fields and an aggregate by group, over runs of 1.2 KB, on one core, in "
            "turns with orjson that parses the same lines and drops them, and with bytewax, which does the "
            "same work in Python functions:",
            "",
            f"- {pipelines['pipeline_events_per_s']:,.0f} events each second, "
            f"{pipelines['pipeline_to_parse_ratio']:.2f} of the rate of parsing alone;",
            f"- {pipelines['pipeline_to_bytewax_ratio']:.2f} times the rate of bytewax.",
            "",
            "## Growth",
            "",
            *_curves(grown),
            "",
            "The limits beyond one process, to 100,000 streams and a million events each second, with the "
            "setting that moves each, are in [Scale](scale.md).",
            "",
            "## Method",
            "",
            f"- Machine: {_machine()}, Python {platform.python_version()}, {_today()}.",
            f"- First token: median of {rounds} answers of {tokens} tokens, all peers in turns. CPU per "
            "token: user and system time of the server's processes over all of them. The model, the emulator "
            "of AWS and the client are processes of their own.",
            "- Start to first token: the least of three, from the start of the process to the first byte of "
            "a token, with bytecode compiled before.",
            f"- Memory: what {streams} streams at the same time add to the process.",
            "- Peers run under uvicorn, or their own server, in environments of their own with the newest "
            "packages of PyPI. Their programs are in `bench/`, a page each. Millrace is its conversation "
            "function's app under uvicorn, with its tables on MiniStack.",
            "",
            "Repeat it with `make bench ARGS=side_by_side` on a quiet machine. `make bench` measures all the "
            "rest too: pipelines against JSON parsing and bytewax, providers against the official clients, "
            "the init of each function, the runtime.",
            "",
        ]
    )


def _table(rows: Rows) -> list[str]:
    own = next(iter(rows.values()))
    head = ["", *COLUMNS.values()]
    lines = [_line(head), _line(["---"] + ["---:"] * len(COLUMNS))]
    for peer, row in rows.items():
        lines.append(_line([peer.name, *(_cell(row[name], own[name], row is own) for name in COLUMNS)]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: float, own: float, is_own: bool) -> str:
    text = _number(value)
    return text if is_own or not own else f"{text} ({value / own:.1f})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _behind(rows: Rows) -> list[str]:
    own = next(iter(rows.values()))
    lines = []
    for name, title in COLUMNS.items():
        ahead = [peer.name for peer, row in rows.items() if row[name] < own[name]]
        if ahead:
            lines.append(f"- **{title}**: {', '.join(ahead)}. {WHY[name]}")
    return lines or ["Nowhere in this run."]


def _curves(grown: Sequence[Curve]) -> list[str]:
    head = [_line(["", *(f"{times} times" for times in TIMES)]), _line(["---"] + ["---:"] * len(TIMES))]
    rows = [_line([f"{one.name}, {one.unit}", *map(_number, one.values)]) for one in grown]
    return [*head, *rows, "", *(f"- {one.name}: {one.why}" for one in grown)]


def _machine() -> str:
    found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = found[0].partition(":")[2].strip() if found else platform.machine()
    return f"{os.cpu_count()} cores ({name})"


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
