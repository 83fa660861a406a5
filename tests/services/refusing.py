"""AWS that refuses one write with each of DynamoDB's errors, or loses its response."""

from typing import Any

from botocore.exceptions import ClientError

from millrace.errors import Unavailable
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.aws import unavailable_when_down

WRITES = {"put_item", "update_item", "delete_item", "transact_write_items"}
LARGE = "Item size has exceeded the maximum allowed size"


def refusal(code: str, status: int = 400, message: str = "", reason: str = "") -> ClientError:
    reasons = {"CancellationReasons": [{"Code": reason, "Message": message}]} if reason else {}
    error = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error | reasons, "op")  # type: ignore[arg-type]


def canceled(reason: str, message: str = "") -> ClientError:
    return refusal("TransactionCanceledException", message=message, reason=reason)


# One of each kind that the product tells apart; `tests.stores.test_dynamo` has every code.
FAULTS: dict[str, Exception] = {
    "throughput": refusal("ProvisionedThroughputExceededException"),
    "conflict": refusal("TransactionConflictException"),
    "canceled-conflict": canceled("TransactionConflict"),
    "size": refusal("ValidationException", message=LARGE),
    "canceled-size": canceled("ValidationError", LARGE),
    "lost-answer": Unavailable("the answer was lost"),
}
PASSING = FAULTS.keys() - {"size", "canceled-size"}


class Refusing(AwsClients):
    """AWS whose write number `at` fails; with a lost answer it took effect."""

    def __init__(self, region: str, at: int, fault: Exception) -> None:
        super().__init__(region)
        self._at = at
        self._fault = fault
        self.writes = 0

    def arm(self, at: int) -> None:
        """Count the writes from here on, and have the one of this number fail."""
        self.writes, self._at = 0, at

    def recover(self) -> None:
        """Refuse nothing from now on."""
        self._at = -1

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if service != "dynamodb" or operation not in WRITES:
            return await super().call(service, operation, **parameters)
        self.writes += 1
        if self.writes - 1 != self._at:
            return await super().call(service, operation, **parameters)
        if isinstance(self._fault, Unavailable):
            await super().call(service, operation, **parameters)
        with unavailable_when_down(service):
            raise self._fault
