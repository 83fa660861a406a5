"""AWS for async code: clients made on first use, their calls in a bounded number of threads."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

from millrace.errors import MillraceError, Throttled, Unavailable
from millrace.stores.call_threads import CallThreads
from millrace.stores.signed_client import signed_client

SERVICES = frozenset(
    (
        "dsql",
        "dynamodb",
        "events",
        "kms",
        "lambda",
        "polly",
        "s3",
        "scheduler",
        "secretsmanager",
        "sns",
        "sqs",
        "ssm",
    )
)
"""All that the product calls: only their models are deployed, and those that own code names."""
FOR_CREDENTIALS = frozenset(("sso", "sso-oidc", "sts"))
"""Those that botocore calls by itself, where it is configured to get credentials from them."""
WORKERS = 32
_BUSY = {
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "PriorRequestNotComplete",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
}
"""Codes that say nothing of the request: a later attempt may succeed. botocore has already tried several
times. A conflict with a transaction is not among them: botocore does not repeat it, `stores.dynamo` does."""
_THROTTLED = {
    "KMSThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
"""Codes of a service that works and is sent too much."""


class Aws:
    """The AWS services of one process. `AWS_ENDPOINT_URL` and credentials are botocore's own business."""

    def __init__(self, region: str, workers: int = WORKERS) -> None:
        self.region = region
        self._threads = CallThreads(workers, "aws")
        self._clients: dict[str, Any] = {}
        # Threads must not make clients of one session at the same time; clients may be shared.
        self._lock = threading.RLock()
        self._workers = workers

    @cached_property
    def _session(self) -> Any:
        from millrace.stores.aws_session import make_session

        return make_session()

    def client(self, service: str) -> Any:
        """The one client of a service: botocore's, or one that stands in for it (`stores.signed_client`).
        Making botocore's takes some 100 ms of CPU: warm the needed ones in init."""
        assert service in SERVICES, f"add {service} to SERVICES, or its model is not deployed"
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        full = partial(self._with_botocore, service)
        return signed_client(service, self.region, full) or full()

    def _with_botocore(self, service: str) -> Any:
        from botocore.config import Config

        # A function that is called must not run twice because it was slow.
        calls = service == "lambda"
        config = Config(
            connect_timeout=2,
            read_timeout=26 if calls else 10,
            retries={"mode": "standard", "max_attempts": 1 if calls else 4},
            # Beyond botocore's default of 10, urllib3 would throw each connection away after one call.
            max_pool_connections=self._workers,
            tcp_keepalive=True,
            # The address that a bucket's region has: a browser's upload does not follow redirects to it.
            s3={"addressing_style": "virtual"},
            signature_version="s3v4" if service == "s3" else None,
        )
        with self._lock:
            return self._session.create_client(service, region_name=self.region, config=config)

    def credentials(self) -> Any:
        """The credentials of the process, for requests that are signed by hand."""
        return self._session.get_credentials()

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Run one operation in a thread. Raises botocore's `ClientError` as it is for callers that expect
        one, and `Unavailable` when the service does not answer."""
        method: Callable[..., dict[str, Any]] = getattr(self.client(service), operation)
        with unavailable_when_down(service):
            return await self._threads.run(partial(method, **parameters))

    def close(self) -> None:
        """Wait for calls under way and ends the threads."""
        self._threads.close()
        for client in self._clients.values():
            client.close()


@contextmanager
def unavailable_when_down(service: str) -> Iterator[None]:
    """Turn throttling, outages and a network that does not answer into `Unavailable`."""
    try:
        yield
    except Exception as error:
        # Imported for errors only: most functions need nothing of botocore otherwise.
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            if _is_throttled(error.response):
                raise Throttled(f"{service} is throttling; try again.", retry_after=1) from error
            if _passes(error.response):
                raise _unavailable(service) from error
        if isinstance(error, BotoCoreError):
            raise _unavailable(service) from error
        raise


def _is_throttled(response: Any) -> bool:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status == 429 or response.get("Error", {}).get("Code") in _THROTTLED


def _passes(response: Any) -> bool:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or response.get("Error", {}).get("Code") in _BUSY


def _unavailable(service: str) -> MillraceError:
    return Unavailable(f"{service} is not available; try again.", retry_after=1)
