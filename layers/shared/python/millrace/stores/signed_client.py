"""A client of the AWS calls that requests wait for, at a fraction of botocore's CPU.

It stands in for botocore's client of a service: the same methods, parameters, answers and `ClientError`s, for
the operations in `SERVICES`; whatever else is asked of it, botocore's own client does. It knows nothing of
profiles, proxies and special endpoints: `signed_client` returns None where the environment names any, and the
key of AWS must be in the environment, as Lambda puts it there. `tests/stores/test_signed_client.py` compares
its requests, answers, errors and repetitions with botocore's.
"""

import json
import random
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import orjson
from msgspec import Struct

from millrace.errors import Unavailable
from millrace.net.blocking import Answer, Connections, Server
from millrace.stores.aws_environment import address_of, authorities, plain_credentials, trace_header
from millrace.stores.signature import Credentials, Signer

Json = dict[str, Any]
ATTEMPTS = 5
"""As many as botocore makes of a call with the settings that `stores.aws` gives it."""
CONNECT_SECONDS, READ_SECONDS = 2.0, 10.0
_LONGEST_WAIT = 20.0
_PRICE = 5
"""A repetition's share of botocore's quota, as its standard mode counts."""
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


class Service(Struct, frozen=True):
    """A service that speaks AWS's JSON protocol of `version`. `target` comes before an operation's name, and
    `variable` ends the name of the variable that holds an address of its own."""

    name: str
    version: str
    target: str
    variable: str
    operations: frozenset[str]


SERVICES = {
    service.name: service
    for service in (
        Service(
            "dynamodb",
            "1.0",
            "DynamoDB_20120810",
            "DYNAMODB",
            frozenset(
                (
                    "batch_get_item",
                    "batch_write_item",
                    "delete_item",
                    "get_item",
                    "put_item",
                    "query",
                    "scan",
                    "transact_write_items",
                    "update_item",
                )
            ),
        ),
        Service("events", "1.1", "AWSEvents", "EVENTBRIDGE", frozenset(("put_events",))),
        Service(
            "sqs",
            "1.0",
            "AmazonSQS",
            "SQS",
            frozenset(
                (
                    "change_message_visibility_batch",
                    "delete_message_batch",
                    "send_message",
                    "send_message_batch",
                )
            ),
        ),
    )
}


def signed_client(service: str, region: str, full: Callable[[], Any]) -> "SignedClient | None":
    """A client of a service, or None where botocore's has to do; `full` makes that one."""
    found, credentials = SERVICES.get(service), plain_credentials()
    if found is None or credentials is None:
        return None
    address = address_of(found.name, found.variable, region)
    return SignedClient(found, region, address, credentials, full) if address else None


class SignedClient:
    """See the module. Threads may share it."""

    def __init__(
        self, service: Service, region: str, address: str, credentials: Credentials, full: Callable[[], Any]
    ) -> None:
        self.service = service
        self._kind = f"application/x-amz-json-{service.version}"
        parts = urlsplit(address)
        self._host = parts.netloc
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        server = Server(parts.hostname or "", port, authorities() if tls else "")
        self._connections = Connections(server, CONNECT_SECONDS, READ_SECONDS)
        self._signer = Signer(credentials, region, service.name)
        self._full = full
        self._botocore: Any = None
        self._failed = False

    def __getattr__(self, name: str) -> Any:
        if name in self.service.operations:
            operation = "".join(word.capitalize() for word in name.split("_"))

            def method(**parameters: Any) -> Json:
                return self.call(operation, **parameters)

            setattr(self, name, method)  # found by itself from now on
            return method
        if self._botocore is None:
            self._botocore = self._full()
        return getattr(self._botocore, name)

    def call(self, operation: str, **parameters: Any) -> Json:
        """Carry out an operation, again where that may help. Raises `ClientError` for what AWS refuses, and
        `Unavailable` where it does not answer, or no table is configured."""
        if self.service.name == "dynamodb" and "" in _tables(parameters):
            raise Unavailable(
                "This function lacks a table; set its name in the environment.", code="not_configured"
            )
        if operation == "TransactWriteItems" and "ClientRequestToken" not in parameters:
            # By it DynamoDB knows a transaction that is sent again from a new one.
            parameters["ClientRequestToken"] = str(uuid.uuid4())
        body, attempt = _encoded(parameters), 0
        while True:
            try:
                answer = self.send(operation, body, attempt)
                parsed = _parsed(answer, attempt)
            except (OSError, ValueError) as error:  # cut off, or no JSON
                self._connections.drop_idle()
                if not self._may_repeat(attempt):
                    raise self._unavailable() from error
            else:
                if answer.status < 300:
                    self._succeeded(attempt)
                    return parsed
                passing = _is_passing(answer.status, parsed["Error"]["Code"])
                if not passing or not self._may_repeat(attempt):
                    parsed["ResponseMetadata"]["MaxAttemptsReached"] = passing and attempt + 1 == ATTEMPTS
                    raise _refusal(parsed, operation)
            time.sleep(min(random.random() * 2**attempt, _LONGEST_WAIT))
            attempt += 1

    def _may_repeat(self, attempt: int) -> bool:
        """Return whether to send a request again. Repetitions add to the load of a service that is down:
        botocore's quota bounds them."""
        return attempt + 1 < ATTEMPTS and bool(self._quota.acquire(_PRICE))

    def _succeeded(self, attempt: int) -> None:
        if self._failed:
            self._quota.release(_PRICE if attempt else 1)

    @cached_property
    def _quota(self) -> Any:
        from botocore.retries.quota import RetryQuota

        self._failed = True
        return RetryQuota()

    def _unavailable(self) -> Unavailable:
        return Unavailable(f"{self.service.name} does not answer now; try again.", retry_after=1)

    def send(self, operation: str, body: bytes, attempt: int) -> Answer:
        """Send a request once; `attempt` from 0. Raises `OSError`."""
        target = f"{self.service.target}.{operation}"
        headers = self._signer.headers(self._host, target, self._kind, body, time.time())
        if trace := trace_header():
            headers["x-amzn-trace-id"] = trace
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST / HTTP/1.1\r\n{lines}user-agent: millrace\r\ncontent-length: {len(body)}\r\n\r\n"
        return self._connections.exchange(head.encode("latin-1") + body)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()
        if self._botocore is not None:
            self._botocore.close()


# --- what is sent and what comes -----------------------------------------------------------------


def _tables(parameters: Json) -> Collection[str]:
    """The names of the tables that a call of DynamoDB is about."""
    if "TransactItems" in parameters:
        return {one["TableName"] for item in parameters["TransactItems"] for one in item.values()}
    return parameters.get("RequestItems") or [parameters["TableName"]]


def _encoded(parameters: Json) -> bytes:
    try:
        return orjson.dumps(parameters, default=_text_of, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:  # half of a surrogate pair, which AWS is to judge
        return json.dumps(parameters, default=_text_of).encode()


def _text_of(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode()
    raise TypeError(f"a parameter of AWS cannot be a {type(value).__name__}")


def _parsed(answer: Answer, attempt: int) -> Json:
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


def _refusal(parsed: Json, operation: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError(parsed, operation)  # type: ignore[arg-type]


def _is_passing(status: int, code: str) -> bool:
    return status in _BUSY_STATUS or status == 429 or code in _BUSY
