"""`python -m millrace.serve`: every function with a URL in one process, under uvicorn.

It reads the environment that the functions have (`make environment` prints it) and the usual AWS credentials.
Needs the extra `serve`: pip install "millrace[serve]". Event-driven work stays with the stack's functions.
"""

import argparse
import sys

from millrace.errors import Unavailable
from millrace.serve.app import ROUTES, create_app
from millrace.settings import Settings
from millrace.startup import starting

GRACE_SECONDS = 20
"""Seconds for streams to end at a stop. Runs that are still active are continued from the run queue."""


def main(arguments: list[str]) -> int:
    """Run the server and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m millrace.serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 in a container (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--only", default=",".join(ROUTES), help="functions, separated by commas")
    parser.add_argument(
        "--grace", type=int, default=GRACE_SECONDS, help="seconds for streams to end at a stop"
    )
    chosen = parser.parse_args(arguments)
    names = tuple(chosen.only.split(","))
    if unknown := set(names) - ROUTES.keys():
        print(f"There is no {', '.join(sorted(unknown))}; choose from {', '.join(ROUTES)}.", file=sys.stderr)
        return 2
    settings = Settings.from_environment()
    try:
        settings.require("conversations_table", "runs_table", "events_table")
    except Unavailable as error:
        print(f"{error.message} `make -s environment` prints the variables of a stack.", file=sys.stderr)
        return 1
    with starting():
        import uvicorn

        app = create_app(settings, names)
    uvicorn.run(app, host=chosen.host, port=chosen.port, timeout_graceful_shutdown=chosen.grace)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
