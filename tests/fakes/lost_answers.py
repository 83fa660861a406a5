"""DynamoDB whose answer to a write is lost: the write takes effect, and botocore, which hears of a failure,
sends it again by itself."""

from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.httpsession import URLLib3Session

from millrace.stores.aws import Aws as AwsClients

WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


class Empty:
    """The body of an answer that says nothing."""

    def stream(self, **_: Any) -> list[bytes]:
        return []


class LosingAnswers(AwsClients):
    """The first answer to each write is lost; with `only`, to the write of this number (from 0)."""

    def __init__(self, region: str, only: int | None = None) -> None:
        super().__init__(region)
        self.writes = 0
        self.lost = 0
        self._only = only
        self._again = URLLib3Session()

    def arm(self, only: int) -> None:
        """Count the writes from here on, and lose the answer to the one of this number."""
        self.writes, self._only = 0, only

    def recover(self) -> None:
        """Lose nothing from now on."""
        self._only = -1

    def _make(self, service: str) -> Any:
        client = super()._make(service)
        if service == "dynamodb":
            for operation in WRITES:
                client.meta.events.register(f"before-send.dynamodb.{operation}", self._lose)
        return client

    def _lose(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        attempt = str(request.headers.get("amz-sdk-request", ""))
        if "attempt=1" not in attempt:
            return None
        self.writes += 1
        if self._only not in (None, self.writes - 1):
            return None
        self._again.send(request)
        self.lost += 1
        return AWSResponse(str(request.url), 500, HTTPHeaders(), Empty())

    def close(self) -> None:
        super().close()
        self._again.close()
