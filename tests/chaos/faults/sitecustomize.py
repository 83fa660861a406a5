"""Python imports this by itself at the start of each function's process of a stack under chaos: its calls of
AWS fail as AWS's do, and some end the process. What befalls a call is drawn from the seed, the function and
the process, while the file `on` is there."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
"""Of this copy: each stack has one of its own."""
FUNCTION = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
SHARES = {
    "kill before": 0.004,
    "kill after": 0.004,
    "error": 0.01,
    "outage": 0.005,
    "throttle": 0.01,
    "throttled for long": 0.003,
    "dropped": 0.01,
    "dropped for good": 0.003,
    "slow": 0.01,
}
"""How often each befalls a call. For long, for good and in an outage all attempts of a call fail. Calls that
are `dropped` take effect, and their connection breaks before the answer. Each fault is noted with its client,
`own` or `botocore`."""
LASTING = {"outage": "error", "throttled for long": "throttle", "dropped for good": "dropped"}
SLOW_SECONDS = (0.3, 2.0)
_draw = random.Random()
_lasting: dict[str, str] = {}


class Body:
    """The raw body of an answer."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> list[bytes]:
        return [self._content]


def befall(request: Any, **_: Any) -> Any:
    """botocore is about to send a request. None: it is sent."""
    from botocore.exceptions import ConnectionClosedError

    call = str(request.headers.get("amz-sdk-invocation-id", ""))
    fault = _befallen("botocore", call, lambda: _send(request))
    if fault == "dropped":
        raise ConnectionClosedError(endpoint_url=str(request.url))
    return _answer(request, fault) if fault else None


def _befallen(client: str, call: str, send: Callable[[], object]) -> str:
    """The fault by which a call's request fails; empty: it is to be sent."""
    if not (FOLDER / "on").exists():
        return ""
    fault = _fault(client, call)
    if fault == "kill before":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "slow":
        time.sleep(_draw.uniform(*SLOW_SECONDS))
        return ""
    if fault in ("kill after", "dropped"):
        send()
    if fault == "kill after":
        os.kill(os.getpid(), signal.SIGKILL)
    return fault


def _fault(client: str, call: str) -> str:
    if call in _lasting:
        return _lasting[call]
    at, found = _draw.random(), ""
    for name, share in SHARES.items():
        at -= share
        if at < 0:
            found = name
            break
    if found:
        with (FOLDER / f"{FUNCTION}.faults").open("a") as file:
            file.write(f"{client}: {found}\n")
    if found in LASTING:
        _lasting[call] = found = LASTING[found]
    return found


def _send(request: Any) -> None:
    from botocore.httpsession import URLLib3Session

    session = URLLib3Session()
    try:
        session.send(request)
    finally:
        session.close()


def _answer(request: Any, fault: str) -> Any:
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders

    headers = HTTPHeaders()
    if fault != "throttle":
        return AWSResponse(str(request.url), 500, headers, Body(b"{}"))
    return AWSResponse(str(request.url), 400, headers, Body(b'{"__type": "ThrottlingException"}'))


if FUNCTION:
    _draw.seed(f"{(FOLDER / 'seed').read_text()} {FUNCTION} {os.getpid()}")

    import botocore.handlers

    hooks: Any = botocore.handlers.BUILTIN_HANDLERS
    hooks.append(("before-send", befall))

    from millrace.net.blocking import Answer
    from millrace.stores.signed_client import SignedClient

    really_send = SignedClient.send

    def sending(client: Any, operation: str, body: bytes, attempt: int) -> Answer:
        """The product's own client is about to send a request. All attempts of a call send the same body."""
        call = str(id(body))
        if not attempt:
            _lasting.pop(call, None)  # of a body that lay there before
        fault = _befallen("own", call, lambda: really_send(client, operation, body, attempt))
        if not fault:
            return really_send(client, operation, body, attempt)
        if fault == "dropped":
            raise ConnectionResetError("the connection broke before the answer")
        if fault == "error":
            return Answer(500, {}, b"{}")
        return Answer(400, {}, b'{"__type": "ThrottlingException"}')

    SignedClient.send = sending  # type: ignore[method-assign, assignment]
