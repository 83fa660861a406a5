"""AWS's JSON protocol: encode parameters, and decode answers to the form that botocore returns.

https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from typing import Any
from zlib import crc32

import orjson

from millrace.net.blocking import Answer
from millrace.stores.aws_retries import Failure

Json = dict[str, Any]
_BUSY_STATUS = {500, 502, 503, 504}
_BUSY = {"ReplicatedWriteConflictException", "RequestTimeout", "RequestTimeoutException"}
_THROTTLED = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
}
"""Error codes that botocore's standard retry mode retries after a longer delay."""


def tables_of(parameters: Json) -> Collection[str]:
    """Return the names of the tables that a DynamoDB call uses."""
    if "TransactItems" in parameters:
        return {one["TableName"] for item in parameters["TransactItems"] for one in item.values()}
    return parameters.get("RequestItems") or [parameters["TableName"]]


def encoded(parameters: Mapping[str, Any]) -> bytes:
    """Return the body of a call. Raises `TypeError` for a value that no parameter can have."""
    try:
        return orjson.dumps(parameters, default=_text_of, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:  # an unpaired surrogate, which AWS has to judge
        return json.dumps(parameters, default=_text_of).encode()


def _text_of(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    raise TypeError(f"a parameter of AWS cannot be a {type(value).__name__}")


def parsed_answer(answer: Answer, attempt: int) -> Json:
    """Return an answer in botocore's form.

    Raises `ValueError` for an answer that does not match DynamoDB's checksum, and for invalid JSON, except in
    an error answer.
    """
    if (sent := answer.headers.get("x-amz-crc32")) and crc32(answer.body) != int(sent):
        raise ValueError("the answer does not match its checksum")
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
        parsed = json.loads(body)  # an unpaired surrogate, as it was stored
    if not isinstance(parsed, dict):
        raise ValueError("an answer of AWS must be an object")
    if b'"B"' in body or b'"BS"' in body:
        _read_bytes(parsed)
    return parsed


def _read_bytes(value: Any) -> None:
    """Decode binary attributes, which arrive as base64.

    An object whose only field is a text "B" is one, because the fields of a map are objects.
    """
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
    """Return the code of an error. SQS sends its original code in a header."""
    code = str(answer.headers.get("x-amzn-query-error") or parsed.get("__type") or parsed.get("code") or "")
    code = code.partition(";")[0].partition(":")[0].rpartition("#")[2]
    return code or str(answer.status)


def _message(parsed: Json) -> str:
    return str(parsed.get("message") or parsed.get("Message") or "")


def refusal(parsed: Json, operation: str) -> Exception:
    """Return the `ClientError` for an answer."""
    from botocore.exceptions import ClientError

    return ClientError(parsed, operation)  # type: ignore[arg-type]


def failure_of(answer: Answer, code: str) -> Failure | None:
    """Return the failure if the request may succeed when it is sent again, otherwise None."""
    throttled = answer.status == 429 or code in _THROTTLED
    if throttled or answer.status in _BUSY_STATUS or code in _BUSY:
        return Failure(throttled, answer.headers.get("x-amz-retry-after", ""))
    return None
