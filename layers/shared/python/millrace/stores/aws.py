"""AWS for async code: clients are made on first use and called in a bounded number of threads."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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
"""Every service that the product calls.

Only these models are deployed, and those that the user's code names.
"""
FOR_CREDENTIALS = frozenset(("sso", "sso-oidc", "sts"))
"""Services that botocore itself may call to get credentials."""
WORKERS = 32
LANES = 8
"""The threads that share many calls of the same operation."""
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
"""Error codes that do not depend on the request: a later attempt may succeed.

botocore has already retried these. Transaction conflicts are absent, because botocore does not retry them but
`stores.dynamo` does.
"""
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
"""Error codes of a service that is available but receives too many requests."""


class Aws:
    """The AWS services of one process. botocore reads `AWS_ENDPOINT_URL` and the credentials itself."""

    def __init__(self, region: str, workers: int = WORKERS) -> None:
        self.region = region
        self._threads = CallThreads(workers, "aws")
        self._clients: dict[str, Any] = {}
        # Threads must not create clients from one session concurrently, but they may share clients.
        self._lock = threading.RLock()
        self._workers = workers

    @cached_property
    def _session(self) -> Any:
        from millrace.stores.aws_session import make_session

        return make_session()

    def client(self, service: str) -> Any:
        """Return the client of a service: botocore's, or its replacement (`stores.signed_client`).

        Creating a botocore client takes about 100 ms of CPU, so create the ones you need during init.
        """
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

        # A slow function must not be invoked twice.
        calls = service == "lambda"
        config = Config(
            connect_timeout=2,
            read_timeout=26 if calls else 10,
            retries={"mode": "standard", "max_attempts": 1 if calls else 4},
            # With botocore's default of 10, urllib3 would discard the connections of all further threads.
            max_pool_connections=self._workers,
            tcp_keepalive=True,
            # The bucket's regional address, because a browser's upload does not follow redirects to it.
            s3={"addressing_style": "virtual"},
            signature_version="s3v4" if service == "s3" else None,
        )
        with self._lock:
            return self._session.create_client(service, region_name=self.region, config=config)

    def credentials(self) -> Any:
        """The credentials of the process, for requests that we sign ourselves."""
        return self._session.get_credentials()

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Run one operation in a thread.

        Raises botocore's `ClientError` unchanged, and `Unavailable` if the service does not answer.
        """
        method: Callable[..., dict[str, Any]] = getattr(self.client(service), operation)
        with unavailable_when_down(service):
            return await self._threads.run(partial(method, **parameters))

    async def call_each(
        self, service: str, operation: str, requests: Sequence[Mapping[str, Any]]
    ) -> list[Exception | None]:
        """Run one operation for each of the requests, and return what each raised.

        A few threads make one call after another, which takes half the CPU of handing each call to a thread.
        """
        make = partial(_outcomes, service, getattr(self.client(service), operation))
        parts = [requests[at::LANES] for at in range(min(LANES, len(requests)))]
        found = await asyncio.gather(*(self._threads.run(partial(make, part)) for part in parts))
        return [found[at % LANES][at // LANES] for at in range(len(requests))]

    def close(self) -> None:
        """Wait for pending calls and stop the threads."""
        self._threads.close()
        for client in self._clients.values():
            client.close()


def _outcomes(
    service: str, method: Callable[..., object], requests: Sequence[Mapping[str, Any]]
) -> list[Exception | None]:
    """Make calls one after another. If the service does not answer one, the remaining calls are skipped."""
    outcomes: list[Exception | None] = []
    for request in requests:
        try:
            with unavailable_when_down(service):
                method(**request)
        except Exception as error:
            outcomes.append(error)
            if isinstance(error, Unavailable) and not isinstance(error, Throttled):
                break
        else:
            outcomes.append(None)
    return outcomes + outcomes[-1:] * (len(requests) - len(outcomes))


@contextmanager
def unavailable_when_down(service: str) -> Iterator[None]:
    """Convert throttling, outages and network failures to `Unavailable`."""
    try:
        yield
    except Exception as error:
        # Imported only for errors: most functions need nothing else from botocore.
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
