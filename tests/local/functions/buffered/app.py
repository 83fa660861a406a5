"""A plain handler under AWS's runtime interface client."""

import base64
import time
from typing import Any


def handler(event: dict[str, Any], context: Any) -> Any:
    path = event["rawPath"].rpartition("/")[2]
    return _RESULTS[path](event)


def _binary(event: dict[str, Any]) -> dict[str, Any]:
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    encoded = base64.b64encode(body[::-1]).decode()
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/octet-stream"},
        "body": encoded,
        "isBase64Encoded": True,
    }


def _fails(event: dict[str, Any]) -> None:
    raise ValueError("the handler fails")


def _sleeps(event: dict[str, Any]) -> None:
    time.sleep(60)


_RESULTS: dict[str, Any] = {
    "event": lambda event: event,
    "text": lambda event: "just text",
    "binary": _binary,
    "cookies": lambda event: {"statusCode": 201, "cookies": ["a=1", "b=2"], "body": ""},
    "fails": _fails,
    "sleeps": _sleeps,
    "malformed": lambda event: {"statusCode": "many"},
    "large": lambda event: "x" * (6 * 1024 * 1024 + 1024),
}
