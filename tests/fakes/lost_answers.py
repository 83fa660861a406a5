"""DynamoDB with lost responses: a write takes effect, and the client, which sees a failure, repeats it by
itself."""

from typing import Any

from millrace.net.blocking import Answer
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.signed_client import SignedClient

WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


class LosingAnswers(AwsClients):
    """Clients that lose the first answer to each write or, with `only`, to the write with this number (from
    0)."""

    def __init__(self, region: str, only: int | None = None) -> None:
        super().__init__(region)
        self.writes = 0
        self.lost = 0
        self._only = only

    def arm(self, only: int) -> None:
        """Count writes from now on, and lose the answer to the one with this number."""
        self.writes, self._only = 0, only

    def recover(self) -> None:
        """Lose no more answers."""
        self._only = -1

    def _make(self, service: str) -> Any:
        client = super()._make(service)
        if service == "dynamodb":
            self._lose_answers_to(client)
        return client

    def _lose_answers_to(self, client: SignedClient) -> None:
        send = client.send

        def losing(operation: str, body: bytes, attempt: int) -> Answer:
            answer = send(operation, body, attempt)
            lost = operation in WRITES and attempt == 0 and self._is_lost()
            return Answer(500, {}, b"") if lost else answer

        client.send = losing  # type: ignore[method-assign]

    def _is_lost(self) -> bool:
        self.writes += 1
        if self._only not in (None, self.writes - 1):
            return False
        self.lost += 1
        return True
