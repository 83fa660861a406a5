"""`python -m local`: the whole stack on one machine, until Ctrl-C. `make run` calls it."""

import argparse
import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from local.app import AppError, find_app
from local.console import NORMAL, QUIET, VERBOSE, Console
from local.deploy import DeployError
from local.ministack import MiniStackError
from local.stack import ROOT, Options, Stack
from local.template import TemplateError
from local.token import DEFAULT_PORT, port


def main(arguments: list[str]) -> int:
    chosen = _parse(arguments)
    # Until the event loop has its own handlers, SIGTERM raises like Ctrl-C does, so that the emulator is
    # stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(chosen)
    except (AppError, DeployError, TemplateError, MiniStackError, _PortInUse) as error:
        print(f"The stack does not start. {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(chosen: argparse.Namespace) -> None:
    console = Console(chosen.level)
    options = Options(
        chosen.template,
        chosen.web,
        chosen.keep,
        chosen.reload,
        chosen.limit,
        chosen.demo,
        chosen.configuration,
        find_app(chosen.app),
    )
    # Before anything starts, so that a port in use is reported immediately, and the template is deployed with
    # this address.
    listening = _listen(chosen.port)
    console.say("Millrace starts on this machine ...")
    with Stack(options, listening, console) as stack:
        asyncio.run(_serve(stack, console))


async def _serve(stack: Stack, console: Console) -> None:
    asked: list[int] = []

    def end(number: int) -> None:
        asked.append(number)
        if len(asked) > 1:
            os._exit(130)  # the kernel ends the children, see local.child
        console.say("Ending ...", "dim")
        stack.end()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    await stack.serve()


class _PortInUse(RuntimeError):
    pass


def _listen(port: int) -> socket.socket:
    """Return a listening socket; port 0 is any free port. Raises `_PortInUse`."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise _PortInUse(
            f"Port {port} cannot be used ({error.strerror}). Is the stack running already? "
            f"Choose another one: make run MILLRACE_PORT={port + 1}"
        ) from error
    listening.listen(256)
    return listening


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    named = os.environ.get("MILLRACE_PORT") or str(DEFAULT_PORT)
    parser.add_argument("--port", type=port, default=named, help="port to serve, also MILLRACE_PORT (8080)")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the state here instead of discarding it"
    )
    parser.add_argument("--reload", action="store_true", help="restart functions when their code changes")
    parser.add_argument("--limit", type=int, default=Options.limit, help="environments per function (40)")
    parser.add_argument("--demo", action="store_true", help="with a demo pipeline, as `make run` has it")
    parser.add_argument(
        "--configuration", type=Path, metavar="DIR", help="apply the files here to the dev organization"
    )
    parser.add_argument("--template", type=Path, default=Options.template, help="another template")
    parser.add_argument("--web", type=Path, default=Options.web, help="another folder of web files")
    parser.add_argument(
        "--app", type=Path, default=ROOT / "app", metavar="DIR", help="your own tools and agents (app)"
    )
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--quiet", dest="level", action="store_const", const=QUIET, default=NORMAL)
    how_much.add_argument("--verbose", dest="level", action="store_const", const=VERBOSE)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
