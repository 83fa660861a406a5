"""`make page`: serve the page on this machine, for a stack without a website of its own."""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from cloud.stack import CloudError, Stack, chosen_name, parser_of, require_stack
from cloud.website import DIST, config_of
from local.web import WebFiles


def app_of(stack: Stack) -> Starlette:
    """Return the app that serves the built page with the stack's config.json."""
    config = config_of(stack)

    async def show_config(request: Request) -> JSONResponse:
        return JSONResponse(config, headers={"cache-control": "no-store"})

    return Starlette(routes=[Route("/config.json", show_config), Mount("/", WebFiles(DIST))])


def main(arguments: list[str]) -> int:
    parser = parser_of("page", __doc__)
    parser.add_argument("--port", type=int, default=8081)
    chosen = parser.parse_args(arguments)
    try:
        app = app_of(require_stack(chosen_name(chosen)))
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The page is at http://localhost:{chosen.port}")
    uvicorn.run(app, host="127.0.0.1", port=chosen.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
