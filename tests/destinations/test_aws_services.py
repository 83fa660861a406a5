"""AWS services that refuse: which responses count against the destination, and which events are retried."""

from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from millrace.destinations.dynamodb import DynamoSender
from millrace.destinations.results import SendReport
from millrace.destinations.sns import SnsSender
from millrace.pipelines.definitions.destinations import DatabaseConfig, SnsConfig
from millrace.pipelines.event import Event
from millrace.stores.aws import Aws
from tests.destinations.sending import always, kinds

EVENTS = [Event({"id": n}, f"e{n}") for n in (1, 2)]
THROTTLES = [
    (400, "Throttling"),
    (400, "ThrottlingException"),
    (400, "KMSThrottlingException"),
    (429, "Throttled"),
    (429, "ThrottledException"),
    (400, "ProvisionedThroughputExceededException"),
    (400, "RequestLimitExceeded"),
]


class RefusingAws(Aws):
    """Clients whose service answers each call with an error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__("eu-central-1")
        self.answer = (status, code)

    def _make(self, service: str) -> Any:
        client = self._with_botocore(service)
        client.meta.events.register("before-call", self._refuse)
        return client

    def _refuse(self, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        status, code = self.answer
        answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return AWSResponse("https://example.com", status, HTTPHeaders(), None), answer


async def to_topic(aws: Aws) -> SendReport:
    config = SnsConfig.model_validate(
        {"channel": "sns", "topicArn": "arn:aws:sns:eu-central-1:123456789012:t-o__a", "template": "{{id}}"}
    )
    return await SnsSender(config, "o", "t-", aws).send(EVENTS, always)


async def to_table(aws: Aws) -> SendReport:
    config = DatabaseConfig.model_validate({"connection": "dynamodb:", "table": "t", "operation": "insert"})
    return await DynamoSender(config, "o", "t-", aws).send(EVENTS, always)


@pytest.mark.parametrize(("status", "code"), THROTTLES)
@pytest.mark.parametrize("send", [to_topic, to_table])
async def test_throttled_events_come_again_and_count_against_no_destination(
    send: Any, status: int, code: str
) -> None:
    aws = RefusingAws(status, code)
    report = await send(aws)
    aws.close()
    assert kinds(report) == ["retry:throttled"] * 2
    assert (report.succeeded, report.failed) == (0, 0)


@pytest.mark.parametrize("send", [to_topic, to_table])
async def test_service_that_is_down_counts_against_the_destination(send: Any) -> None:
    aws = RefusingAws(503, "ServiceUnavailable")
    report = await send(aws)
    aws.close()
    assert kinds(report) == ["retry:unreachable"] * 2
    assert report.succeeded == 0
    assert report.failed > 0


async def test_topic_that_refuses_an_event_works() -> None:
    aws = RefusingAws(403, "AuthorizationError")
    report = await to_topic(aws)
    aws.close()
    assert kinds(report) == ["dead:refused"] * 2
    assert (report.succeeded, report.failed) == (2, 0)
