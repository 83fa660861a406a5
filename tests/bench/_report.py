"""docs/benchmarks.md, from what `side_by_side` measured."""

import datetime
import importlib
import os
import platform
from collections.abc import Mapping
from typing import Any

from tests.bench._peers import PEERS, ROOT
from tests.bench._table import table, times

PAGE = ROOT / "docs" / "benchmarks.md"
OWN = "millrace"
PARTS = (
    "starts",
    "answers",
    "streams",
    "stack",
    "viewers",
    "ticks",
    "resume",
    "faces",
    "pipelines",
    "dollars",
    "tokens",
    "init",
    "speech",
    "growth",
)
"""In the order in which they are measured, and shown. The first three are one table."""
COLUMNS = {
    "first_token_ms": "first token, ms",
    "cpu_us_per_token": "CPU per token, us",
    "from_start_ms": "start to first token, ms",
    "cpu_from_start_ms": "the same, CPU ms",
    "mb_per_stream_50": "MB per stream",
    "mb_idle": "MB idle",
}
_IMPORTS_LESS = "They import less: no AWS client, no store, no tokens of users to check."
WHY = {
    "first_token_ms": "They ask the model at once. We store the message and take the conversation's lease "
    "first, so that an accepted message survives the process: one read and one write, on an emulator that "
    "takes some milliseconds for each.",
    "cpu_us_per_token": "They read less of what passes, or none of it. We number each event, filter thinking "
    "out of the text, and write the log from which any client resumes.",
    "from_start_ms": _IMPORTS_LESS,
    "cpu_from_start_ms": _IMPORTS_LESS,
    "mb_per_stream_50": "A stream of ours has the tasks that log it and watch its lease beside the one that "
    "sends it.",
    "mb_idle": _IMPORTS_LESS,
}
DOES = {OWN: "agent loop; stores messages, run and every event, publishes to the bus"}
DOES |= {peer.name: peer.does for peer in PEERS}
Results = Mapping[str, Mapping[str, Any]]
Rows = dict[str, dict[str, Any]]


def write_page(results: Results) -> None:
    """Write the page of what has been measured so far."""
    rows = _joined(results)
    lines = [
        "# Benchmarks: side by side with what you would pick instead",
        "",
        "This page is written by a measurement on one machine. Read the ratios; times depend on the machine. "
        "Every server answers the same request with the same fake model, over HTTP/1.1.",
        "",
        *_peers(rows),
        *(line for name in PARTS for line in _part(name, results.get(name, {}))),
        "The limits beyond one process, to 100,000 streams and a million events each second, with the "
        "setting that moves each, are in [Scale](scale.md).",
        "",
        *_method(),
    ]
    PAGE.write_text("\n".join(lines))


def _joined(results: Results) -> Rows:
    """Each peer's figures of all parts."""
    rows: Rows = {name: {} for name in DOES}
    for part in ("starts", "answers", "streams"):
        for name, row in results.get(part, {}).get("found", {}).items():
            rows[name] |= row
    return rows


def _peers(rows: Rows) -> list[str]:
    own = rows[OWN]
    cells = [
        [name, *(times(row.get(one), None if name == OWN else own.get(one)) for one in COLUMNS)]
        for name, row in rows.items()
    ]
    failed = [
        f"- **{name}** could not be measured: {row['failed']}"
        for name, row in rows.items()
        if "failed" in row
    ]
    return [
        *table(["", *COLUMNS.values()], cells),
        "In brackets: the figure as a multiple of Millrace's. Above 1, Millrace is ahead.",
        "",
        *failed,
        *([""] if failed else []),
        "## Where a peer is ahead, and why",
        "",
        *_behind(rows),
        "",
        "## What the peers do",
        "",
        *(f"- **{name}** ({rows[name].get('version', 'not installed')}): {DOES[name]}." for name in rows),
        "",
    ]


def _behind(rows: Rows) -> list[str]:
    own = rows[OWN]
    lines = []
    for one, title in COLUMNS.items():
        ahead = [name for name, row in rows.items() if one in row and one in own and row[one] < own[one]]
        if ahead:
            lines.append(f"- **{title}**: {', '.join(ahead)}. {WHY[one]}")
    return lines or ["Nowhere in this run."]


def _part(name: str, result: Mapping[str, Any]) -> list[str]:
    if "found" in result:
        shown: list[str] = importlib.import_module(f"tests.bench.parts.{name}").section(result["found"])
        return shown
    return [f"*`{name}` is missing here: {result.get('failed', 'not measured yet')}.*", ""]


def _method() -> list[str]:
    return [
        "## Method",
        "",
        f"- Machine: {_machine()}, Python {platform.python_version()}, {_today()}.",
        "- First token: median of 20 answers of 500 tokens, all peers in turns. CPU per token: user and "
        "system time of the server's processes over all of them. The model, the emulator of AWS and the "
        "client are processes of their own.",
        "- Start to first token: the least of three, from the start of the process to the first byte of a "
        "token, with bytecode compiled before.",
        "- Memory: what so many streams at the same time add to the process, divided by their number.",
        "- Peers run under uvicorn, or their own server, in environments of their own with the newest "
        "packages of PyPI. Their programs are in `bench/`, a page each. Millrace is its conversation "
        "function's app under uvicorn, with its tables on MiniStack.",
        "",
        "Repeat it with `make bench ARGS=side_by_side` on a quiet machine: it takes twelve minutes at most, "
        "and goes on where it broke off. `make bench` measures all the rest too: providers against the "
        "official clients, the runtime, each function's init.",
        "",
    ]


def _machine() -> str:
    return f"{os.cpu_count()} cores ({platform.machine()})"


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
