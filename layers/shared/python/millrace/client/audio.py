"""Audio as it is produced. Once it has begun, it cannot be continued on another connection."""

import httpx

from millrace.client.actions import Deliver, Pause, ReadAll, Receive, Steps
from millrace.client.calls import Request, Sender, lost
from millrace.client.errors import error_of


def listen(sender: Sender, request: Request) -> Steps[None]:
    """Deliver the content type, then the bytes. Until the audio begins, the request is retried like others.
    Raises `MillraceError`."""
    policy = sender.policy
    timeout = httpx.Timeout(policy.timeout, connect=10.0)
    failures = 0
    while True:
        failure: Exception
        try:
            response = yield from sender.send(request, timeout, stream=True)
            if response.is_success:
                break
            yield ReadAll()
        except httpx.TransportError as error:
            failure = lost(error)
        else:
            failure = refusal = error_of(response)
            if not policy.may_pass(refusal):
                raise refusal
        failures += 1
        if failures >= policy.attempts:
            raise failure
        yield Pause(policy.wait(failures - 1, failure))
    yield Deliver([response.headers.get("content-type", "")])
    try:
        while chunk := (yield Receive()):
            yield Deliver([chunk])
    except httpx.TransportError as error:
        raise lost(error) from error
