"""A client for the AWS calls that requests wait for, at a fraction of botocore's CPU.

It has the same methods, parameters, answers and `ClientError`s as botocore's client, for the operations in
`JSON_SERVICES`; it passes all others to botocore. It does not support profiles, proxies or special endpoints:
`signed_client` returns None if the environment configures any. Credentials must be in the environment, as on
Lambda. `tests/stores/test_signed_client.py` compares its requests, answers, errors and retries with
botocore's.
"""

import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from millrace.errors import Unavailable
from millrace.net.blocking import Answer, Connections, Server
from millrace.stores.aws_environment import address_of, authorities, plain_credentials, trace_header
from millrace.stores.aws_json import Json, encoded, failure_of, parsed_answer, refusal, tables_of
from millrace.stores.aws_retries import ATTEMPTS, Failure, Retries
from millrace.stores.signature import Credentials, Signer

CONNECT_SECONDS, READ_SECONDS = 2.0, 10.0


class Service(Struct, frozen=True):
    """A service with AWS's JSON protocol of `version`.

    `target` precedes an operation's name. `variable` is the suffix of the environment variable that may
    override the endpoint.
    """

    name: str
    version: str
    target: str
    variable: str
    operations: frozenset[str]


JSON_SERVICES = {
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
    """Return a client of a service, or None if only botocore can be used; `full` creates botocore's
    client."""
    found, credentials = JSON_SERVICES.get(service), plain_credentials()
    if found is None or credentials is None:
        return None
    address = address_of(found.name, found.variable, region)
    return SignedClient(found, region, address, credentials, full) if address else None


class SignedClient:
    """A client of one service, which threads may share."""

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
        self._retries = Retries(service.name)
        self._signer = Signer(credentials, region, service.name)
        self._full = full
        self._botocore: Any = None

    def __getattr__(self, name: str) -> Any:
        if name in self.service.operations:
            operation = "".join(word.capitalize() for word in name.split("_"))

            def method(**parameters: Any) -> Json:
                return self.call(operation, **parameters)

            setattr(self, name, method)  # later accesses find it directly
            return method
        if self._botocore is None:
            self._botocore = self._full()
        return getattr(self._botocore, name)

    def call(self, operation: str, **parameters: Any) -> Json:
        """Perform an operation, with retries where they may help.

        Raises `ClientError` if AWS refuses it, and `Unavailable` if AWS does not answer or no table is
        configured.
        """
        if self.service.name == "dynamodb" and "" in tables_of(parameters):
            raise Unavailable(
                "This function lacks a table; set its name in the environment.", code="not_configured"
            )
        if operation == "TransactWriteItems" and "ClientRequestToken" not in parameters:
            # With this token, DynamoDB recognizes a transaction that is sent again.
            parameters["ClientRequestToken"] = str(uuid.uuid4())
        return self._send_with_retries(operation, encoded(parameters))

    def _send_with_retries(self, operation: str, body: bytes) -> Json:
        attempt, failure = 0, None
        while True:
            try:
                answer = self.send(operation, body, attempt)
                parsed = parsed_answer(answer, attempt)
            except (OSError, ValueError) as error:  # a broken connection, or an answer that is not intact
                self._connections.drop_idle()
                failure = Failure()
                delay = self._retries.delay(failure, attempt)
                if delay is None:
                    raise self._unavailable() from error
            else:
                if answer.status < 300:
                    self._retries.succeeded(failure)
                    return parsed
                failure = failure_of(answer, parsed["Error"]["Code"])
                delay = self._retries.delay(failure, attempt) if failure else None
                if delay is None:
                    exhausted = failure is not None and attempt + 1 == ATTEMPTS
                    parsed["ResponseMetadata"]["MaxAttemptsReached"] = exhausted
                    raise refusal(parsed, operation)
            time.sleep(delay)
            attempt += 1

    def _unavailable(self) -> Unavailable:
        return Unavailable(f"{self.service.name} is not available; try again.", retry_after=1)

    def send(self, operation: str, body: bytes, attempt: int) -> Answer:
        """Send a request once; `attempt` counts from 0. Raises `OSError`."""
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
