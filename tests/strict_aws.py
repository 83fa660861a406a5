"""AWS clients that refuse what AWS refuses, because emulators accept items and messages of any size."""

import re
from typing import Any

from botocore.exceptions import ClientError

from millrace.stores.aws import Aws
from tests.aws_calls import before_calls

ITEM_BYTES = 400 * 1024
MESSAGE_BYTES = 256 * 1024
"""Of an SQS message where the queue was not set to more, and of all messages of one call."""

_FORBIDDEN = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class StrictAws(Aws):
    """AWS clients with size limits (see `refuse_as_aws`)."""

    def _make(self, service: str) -> Any:
        client = super()._make(service)
        refuse_as_aws(client, service)
        return client


def refuse_as_aws(client: Any, service: str) -> None:
    """Check the size of items, messages and calls of a client before they are sent."""
    if service in ("dynamodb", "sqs"):
        before_calls(client, _check_call)


def _check_call(operation: str, params: dict[str, Any]) -> None:
    match operation:
        case "PutItem":
            _check_item(params)
        case "TransactWriteItems":
            _check_transaction(params)
        case "SendMessage":
            _check_bodies([params["MessageBody"]], operation)
        case "SendMessageBatch":
            _check_bodies([entry["MessageBody"] for entry in params["Entries"]], operation)


def _check_item(params: dict[str, Any]) -> None:
    size = sum(len(name.encode()) + _size(value) for name, value in params["Item"].items())
    if size > ITEM_BYTES:
        raise _refused("PutItem", "ValidationException", "Item size has exceeded the maximum allowed size")


def _check_transaction(params: dict[str, Any]) -> None:
    for one in params["TransactItems"]:
        if "Put" in one:
            _check_item(one["Put"])


def _size(attribute: dict[str, Any]) -> int:
    """Return the size of a flat attribute, as DynamoDB counts it."""
    ((kind, value),) = attribute.items()
    if kind == "S":
        return len(value.encode())
    return len(value) if kind in ("B", "N") else 1


def _check_bodies(bodies: list[str], operation: str) -> None:
    if any(map(_FORBIDDEN.search, bodies)):
        raise _refused(operation, "InvalidMessageContents", "Invalid characters were found in the message")
    if sum(len(body.encode()) for body in bodies) > MESSAGE_BYTES:
        raise _refused(operation, "InvalidParameterValue", "One or more parameters are invalid: too long")


def _refused(operation: str, code: str, message: str) -> ClientError:
    error = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(error, operation)  # type: ignore[arg-type]
