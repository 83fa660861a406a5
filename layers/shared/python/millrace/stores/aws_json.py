"""AWS's JSON protocol: parameters as bytes, and answers as botocore gives them.

https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Collection
from typing import Any

import orjson

from millrace.net.blocking import Answer

Json = dict[str, Any]
_BUSY_STATUS = {500, 502, 503, 504}
_BUSY = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
"""Codes after which botocore's standard mode sends a request again."""


def tables_of(parameters: Json) -> Collection[str]:
    """The names of the tables that a call of DynamoDB is about."""
    if "TransactItems" in parameters:
        return {one["TableName"] for item in parameters["TransactItems"] for one in item.values()}
    return parameters.get("RequestItems") or [parameters["TableName"]]


def encoded(parameters: Json) -> bytes:
    """The body of a call. Raises `TypeError` for what no parameter can be."""
    try:
        return orjson.dumps(parameters, default=_text_of, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:  # half of a surrogate pair, which AWS is to judge
        return json.dumps(parameters, default=_text_of).encode()


def _text_of(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    raise TypeError(f"a parameter of AWS cannot be a {type(value).__name__}")


def parsed_answer(answer: Answer, attempt: int) -> Json:
    """An answer as botocore gives it. Raises `ValueError` for what is no JSON, unless it is an error's."""
    metadata = {"HTTPStatusCode": answer.status, "HTTPHeaders": answer.headers, "RetryAttempts": attempt}
    metadata["RequestId"] = answer.headers.get("x-amzn-requestid", "")
    try:
        parsed = _decoded(answer.body)
    except ValueError:
        if answer.status < 300:
            raise
        parsed = {}
    if answer.status >= 300:
        parsed["Error"] = {"Code": _code(parsed, answer), "Message": _message(parsed)}
    parsed["ResponseMetadata"] = metadata
    return parsed


def _decoded(body: bytes) -> Json:
    try:
        parsed = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        parsed = json.loads(body)  # half of a surrogate pair, as it was stored
    if not isinstance(parsed, dict):
        raise ValueError("an answer of AWS is an object")
    if b'"B"' in body or b'"BS"' in body:
        _read_bytes(parsed)
    return parsed


def _read_bytes(value: Any) -> None:
    """Turn attributes of bytes, which come as base64, into bytes. An object with the one text "B" is one: a
    map's fields are objects."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "B" and isinstance(inner, str):
                value[name] = b64decode(inner)
            elif name == "BS" and isinstance(inner, list) and all(isinstance(one, str) for one in inner):
                value[name] = [b64decode(one) for one in inner]
            else:
                _read_bytes(inner)
    elif isinstance(value, list):
        for inner in value:
            _read_bytes(inner)


def _code(parsed: Json, answer: Answer) -> str:
    """The code of an error; SQS tells the one that it has always had in a header."""
    code = str(answer.headers.get("x-amzn-query-error") or parsed.get("__type") or parsed.get("code") or "")
    code = code.partition(";")[0].rpartition("#")[2].partition(":")[0]
    return code or str(answer.status)


def _message(parsed: Json) -> str:
    return str(parsed.get("message") or parsed.get("Message") or "")


def refusal(parsed: Json, operation: str) -> Exception:
    """The `ClientError` of an answer."""
    from botocore.exceptions import ClientError

    return ClientError(parsed, operation)  # type: ignore[arg-type]


def is_passing(status: int, code: str) -> bool:
    """Return whether the request may succeed when it is sent again."""
    return status in _BUSY_STATUS or status == 429 or code in _BUSY
