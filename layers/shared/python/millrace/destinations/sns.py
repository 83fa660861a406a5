"""Amazon SNS: one message for each event.

The function's own role publishes, so only topics of the caller's organization are allowed:
`<prefix><organization>__<anything>`. The operator sets the prefix.
"""

from collections.abc import Sequence
from hashlib import sha256

from botocore.exceptions import ClientError

from millrace.destinations.results import (
    DELIVERED,
    THROTTLED,
    Dead,
    DeliveryResult,
    Failure,
    Retry,
    SendReport,
    Unsendable,
    Wait,
    result_of_error,
)
from millrace.destinations.sending import WaitForSlot
from millrace.pipelines.definitions.destinations import SnsConfig
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.template import compile_template
from millrace.stores.aws import Aws

LONGEST = 256 * 1024
SUBJECT = 100


class SnsSender:
    """Publishes to one topic."""

    def __init__(self, config: SnsConfig, organization: str, prefix: str, aws: Aws) -> None:
        check_topic(config.topic_arn, organization, prefix)
        self._config = config
        self._aws = aws
        self._text = compile_template(config.template)
        self._subject = compile_template(config.subject) if config.subject else None

    async def send(self, events: Sequence[Event], wait_for_slot: WaitForSlot) -> SendReport:
        """Return a result for each event."""
        sent = SendReport([])
        for n, event in enumerate(events):
            wait = await wait_for_slot(len(events) - n - 1)
            result = Wait(wait) if wait else await self._publish(event)
            sent.results.append(result)
            sent.failed += isinstance(result, Retry) and result.failure.code != THROTTLED
            sent.succeeded += not isinstance(result, Retry | Wait)
        return sent

    async def _publish(self, event: Event) -> DeliveryResult:
        try:
            await self._aws.call("sns", "publish", **self._message(event))
        except ClientError as error:
            return Dead(Failure("refused", str(error), _status(error)))
        except Exception as error:
            return result_of_error(error)
        return DELIVERED

    def _message(self, event: Event) -> dict[str, str]:
        text = self._text.render(event.payload, event)
        if not text.strip() or len(text.encode()) > LONGEST:
            raise Unsendable("invalid_text", "The template must produce 1 byte to 256 KB of text.")
        message = {"TopicArn": self._config.topic_arn, "Message": text}
        if self._subject:
            message["Subject"] = _one_line(self._subject.render(event.payload, event))
        if self._config.topic_arn.endswith(".fifo"):
            # SNS accepts 128 ASCII characters here, but an event's id may be longer and have other
            # characters.
            message["MessageDeduplicationId"] = sha256(event.id.encode(errors="surrogatepass")).hexdigest()
            message["MessageGroupId"] = event.pipeline_id or "pipeline"
        return message


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def check_topic(arn: str, organization: str, prefix: str) -> None:
    """Raise `Unsendable` unless the topic belongs to the organization."""
    name = arn.rpartition(":")[2]
    if not prefix:
        raise Unsendable("not_configured", "This deployment may not publish to SNS topics.")
    # Otherwise `a_` could give its topics the same names as `a`.
    ambiguous = "__" in organization or organization.endswith("_")
    if ambiguous or not name.startswith(f"{prefix}{organization}__"):
        raise Unsendable(
            "topic_not_allowed",
            f"The topic's name must be {prefix}{organization}__<something>: other topics do not belong to "
            "your organization.",
        )


def _one_line(text: str) -> str:
    """Return a subject: ASCII, without line breaks, at most 100 characters."""
    plain = " ".join(text.encode("ascii", "replace").decode().split())
    return plain[:SUBJECT].strip() or "-"
