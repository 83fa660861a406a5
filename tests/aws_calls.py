"""Calls of AWS as tests see them, whether botocore makes them or the product's own client."""

from collections.abc import Callable
from typing import Any

from millrace.stores.signed_client import SignedClient

Seen = Callable[[str, dict[str, Any]], object]
"""Gets an operation's name (`PutItem`) and its parameters, which it may change. Its errors are the call's."""


def before_calls(client: Any, seen: Seen) -> None:
    """Call `seen` before each call of a client."""
    if not isinstance(client, SignedClient):
        client.meta.events.register(
            "provide-client-params", lambda params, model, **_: seen(model.name, params)
        )
        return
    call = client.call

    def telling(operation: str, **parameters: Any) -> dict[str, Any]:
        seen(operation, parameters)
        return call(operation, **parameters)

    client.call = telling  # type: ignore[method-assign]
