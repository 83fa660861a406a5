"""The clients of AWS's services."""

import asyncio
import threading
from contextlib import closing

import pytest
from botocore.exceptions import ClientError
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.errors import Throttled, Unavailable
from millrace.stores.aws import FOR_CREDENTIALS, LANES, SERVICES, Aws
from tests.effort import effort

FINE, REFUSED, THROTTLED, DOWN = "fine", "ValidationException", "ThrottlingException", "ServiceUnavailable"
RAISED = {FINE: type(None), REFUSED: ClientError, THROTTLED: Throttled, DOWN: Unavailable}


def test_service_whose_model_is_not_deployed_is_refused() -> None:
    with closing(Aws("us-east-1")) as aws, pytest.raises(AssertionError, match="add ec2 to SERVICES"):
        aws.client("ec2")


def test_deployed_resources_exist() -> None:
    assert set(Session().get_available_services()) >= SERVICES | FOR_CREDENTIALS


class Answering:
    """A client whose calls end as they ask for."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self._lock = threading.Lock()

    def update_item(self, number: int, answer: str) -> None:
        with self._lock:
            self.made.append(number)
        if answer != FINE:
            raise ClientError({"Error": {"Code": answer, "Message": "no"}}, "UpdateItem")

    def close(self) -> None:
        """Nothing to close."""


@given(st.lists(st.sampled_from(sorted(RAISED)), max_size=4 * LANES))
@settings(max_examples=effort(30, 1_000), deadline=None)
def test_calls_made_together_fail_one_by_one_and_end_where_the_service_is_down(answers: list[str]) -> None:
    requests = [{"number": number, "answer": answer} for number, answer in enumerate(answers)]
    with closing(Aws("us-east-1")) as aws:
        client = aws._clients["dynamodb"] = Answering()
        outcomes = asyncio.run(aws.call_each("dynamodb", "update_item", requests))
    lanes = [list(range(lane, len(answers), LANES)) for lane in range(LANES)]
    expected: dict[int, str] = {}
    for lane in lanes:
        down = next((number for number in lane if answers[number] == DOWN), len(answers))
        expected |= {number: answers[number] if number < down else DOWN for number in lane}
        assert [number for number in client.made if number in lane] == [one for one in lane if one <= down]
    assert [type(outcome) for outcome in outcomes] == [RAISED[expected[n]] for n in range(len(answers))]
