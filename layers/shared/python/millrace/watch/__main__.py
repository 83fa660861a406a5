"""`python -m millrace.watch`: the live view of your organization's runs, tokens, cost and alerts.

python -m millrace.watch --token "$(make -s token)"
"""

import argparse
import asyncio
import contextlib
import sys

import httpx
from rich.console import Console
from rich.live import Live

from millrace.domain.clock import now_ms
from millrace.watch.board import Board
from millrace.watch.feed import Feed, Refused, pause
from millrace.watch.screen import render

FRAMES_A_SECOND = 5


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_run(options, Console()))
    except KeyboardInterrupt:
        pass
    except Refused as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _token(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty: does the stack run?")
    return text.strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m millrace.watch", description=__doc__)
    parser.add_argument("--url", default="http://localhost:8080", help="where the API is")
    parser.add_argument("--token", required=True, type=_token, help="a bearer token with the scope observe")
    parser.add_argument("--agents", default="", help="only these agents, separated by commas")
    parser.add_argument("--once", action="store_true", help="print what runs now, and end")
    return parser


async def _run(options: argparse.Namespace, console: Console) -> None:
    filters = {"agentIds": options.agents} if options.agents else {}
    headers = {"authorization": f"Bearer {options.token}"}
    board = Board()
    async with httpx.AsyncClient(base_url=options.url, headers=headers) as http:
        feed = Feed(http, filters)
        if options.once:
            board.begin(await feed.snapshot())
            console.print(render(board, now_ms(), options.url))
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            painter = asyncio.create_task(_paint(live, board, options.url))
            try:
                await follow(feed, board)
            finally:
                painter.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await painter


async def _paint(live: Live, board: Board, state: str) -> None:
    while True:
        live.update(render(board, now_ms(), state), refresh=True)
        await asyncio.sleep(1 / FRAMES_A_SECOND)


async def follow(feed: Feed, board: Board) -> None:
    """Keep the board up to date for ever: a snapshot, then events; on a break it resumes where it was, and
    begins again when that has passed out of the log. Raises `Refused`."""
    attempt = 0
    while True:
        try:
            if feed.last is None:
                feed.last = board.begin(await feed.snapshot())
            async for event in feed.events():
                attempt = 0
                if event["type"] == "resync":
                    feed.last = None
                    break
                board.apply(event)
        except httpx.HTTPError:
            attempt += 1
        # A stream also ends in order, when its function's time is over; that is not counted as a failure.
        await pause(attempt)


if __name__ == "__main__":
    sys.exit(main())
