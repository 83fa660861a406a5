"""`python -m streaming_runtime [module:app]`. Without an argument, `_HANDLER` names the app."""

import asyncio
import os
import sys
import threading

from streaming_runtime import logs
from streaming_runtime.asgi import ASGIApp
from streaming_runtime.handler import extend_import_path, load_app
from streaming_runtime.runtime import EXIT_FAILED, fail_init, serve
from streaming_runtime.runtime_api import RuntimeAPI

# Whatever the app leaves running (a waiting thread, a task that does not end) must not keep the process
# alive.
EXIT_TIMEOUT_S = 2.0


def main(arguments: list[str]) -> int:
    """Run the function until its environment ends, and return the exit status of the process."""
    logs.configure()
    address = os.environ.get("AWS_LAMBDA_RUNTIME_API", "")
    if ":" not in address:
        print(
            "AWS_LAMBDA_RUNTIME_API must be set to host:port; Lambda and its emulators set it",
            file=sys.stderr,
        )
        return EXIT_FAILED
    extend_import_path()
    try:
        app = load_app(arguments[0] if arguments else os.environ.get("_HANDLER", ""))
    except (Exception, SystemExit) as error:
        return asyncio.run(fail_init(RuntimeAPI(address), error))
    return asyncio.run(run(app, address))


async def run(app: ASGIApp, address: str) -> int:
    """Serve, then limit the time that the interpreter may take to exit."""
    status = await serve(app, address)
    watchdog = threading.Timer(EXIT_TIMEOUT_S, os._exit, [status])
    watchdog.daemon = True
    watchdog.start()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
