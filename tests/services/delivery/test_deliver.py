"""Complete deliveries: jobs through the service to real receivers, with the emulated AWS's tables and
queue."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.responses import PlainTextResponse

from millrace.services.delivery.job import EVENTS, jobs_of, read_job
from millrace.services.delivery.target import Targets
from millrace.stores.queues import MESSAGE_BYTES
from tests.aws import Aws
from tests.fakes.receivers import TOKEN, Receivers
from tests.services.delivery.delivering import World, event, pipeline


def ids(receivers: Receivers) -> list[str]:
    """The events' ids, without the mark of the destination."""
    return [got.headers["webhook-id"].rpartition("-")[0] for got in receivers.hook.taken]


async def test_job_is_delivered(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    report = await here.deliver(*(event(f"e{n}", n=n) for n in range(30)))
    assert len(report.delivered) == 30
    assert sorted(ids(receivers)) == sorted(f"e{n}" for n in range(30))
    assert here.queue.sent == []


async def test_same_event_for_two_destinations_has_two_ids(here: World, receivers: Receivers) -> None:
    """One service may get both, and shall not take the second for a repetition of the first."""
    await here.webhook(receivers.url + "/hook")
    definition = await here.pipelines.definition(here.organization, "pipe", here.version)
    await here.pipelines.create(here.organization, pipeline(here.version, definition, "another"), [])
    await here.deliver(event("a"))
    await here.deliver(event("a"), pipelineId="another")
    await here.deliver(event("a"))
    first, other, again = [got.headers["webhook-id"] for got in receivers.hook.taken]
    assert first == again != other
    assert ids(receivers) == ["a", "a", "a"]


async def test_temporarily_failing_delivery_arrives_with_the_same_id(
    here: World, receivers: Receivers
) -> None:
    await here.webhook(receivers.url + "/hook", retryPolicy={"maxRetries": 5, "backoffMs": 4000})
    receivers.answers.extend(PlainTextResponse("down", 503) for _ in range(3))
    report = await here.deliver(event("a"))
    ((delay, body),) = here.queue.sent
    assert (report.retried, delay) == (1, 4_000)
    job = read_job(body)
    assert (job.attempt, job.not_before) == (1, here.now + 4_000)
    began = here.now
    await here.settle()
    assert ids(receivers) == ["a"]
    assert here.now - began == 4_000 + 8_000 + 16_000
    assert await here.dead() == []


async def test_message_that_comes_too_early_waits_and_spends_no_attempt(
    here: World, receivers: Receivers
) -> None:
    await here.webhook(receivers.url + "/hook")
    report = await here.deliver(event("a"), notBefore=here.now + 5_400_000, attempt=2)
    ((delay, body),) = here.queue.sent
    assert (report.waiting, delay, read_job(body).attempt) == (1, 5_400_000, 2)
    assert receivers.requests == 0


async def test_retry_after_is_kept(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    receivers.answers.append(PlainTextResponse("busy", 429, headers={"Retry-After": "120"}))
    report = await here.deliver(event("a"))
    assert here.queue.sent[0][0] == 120_000
    assert (report.attempts, report.throttled, report.behind_ms) == (1, 1, None)


async def test_undeliverable_event_becomes_a_complete_dead_letter(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook", retryPolicy={"maxRetries": 2})
    receivers.always = PlainTextResponse("x" * 5_000, 500)
    await here.deliver(event("a", cost=3))
    await here.settle()
    (dead_letter,) = await here.dead()
    assert receivers.requests == 3
    assert (dead_letter.attempts, dead_letter.status, dead_letter.code) == (3, 500, "failed")
    assert len(dead_letter.body) == 1_024
    assert (dead_letter.event["id"], dead_letter.event["payload"]) == ("a", {"cost": 3})
    assert (dead_letter.definition_version, dead_letter.place) == (1, "destination:0")


async def test_dead_letter_keeps_the_hops_of_its_event(here: World, receivers: Receivers) -> None:
    """A redrive goes on counting them, or a loop would be endless."""
    await here.webhook(receivers.url + "/hook", retryPolicy={"maxRetries": 0})
    receivers.always = PlainTextResponse("no", 400)
    looping = event("a")
    looping.hops = 7
    await here.deliver(looping)
    await here.settle()
    (dead_letter,) = await here.dead()
    assert dead_letter.event["hops"] == 7


async def test_poison_event_does_not_stop_its_batch(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook", body='{"n": {{n}}, "at": "{{formatTime(at)}}"}')
    good = [event(f"e{n}", n=n, at=0) for n in range(6)]
    report = await here.deliver(*good[:3], event("bad", n=1, at="never"), *good[3:])
    assert (len(report.delivered), report.dead) == (6, 1)
    assert [dead_letter.event_id for dead_letter in await here.dead()] == ["bad"]


async def test_crash_before_the_acknowledgement_delivers_again_with_the_same_ids(
    here: World, receivers: Receivers
) -> None:
    await here.define("analytics", {"provider": "mixpanel", "projectToken": TOKEN})
    events = [event("good", userId="u"), event("bad", userId="anonymous")]
    job = here.job(*events)
    for _ in range(3):  # the message was not deleted: it comes again, whole
        await here.deliverer.deliver(job)
    assert len(receivers.mixpanel.taken) == 1
    assert len(await here.dead()) == 1


async def test_retry_that_cannot_be_sent_fails_the_message(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    receivers.answers.append(PlainTextResponse("down", 503))
    here.queue.broken = True
    with pytest.raises(ConnectionError):
        await here.deliver(event("a"))
    here.queue.broken = False
    await here.deliver(event("a"))
    assert ids(receivers) == ["a"]


async def test_slack_gets_an_event_once_though_it_knows_no_repetitions(
    here: World, receivers: Receivers
) -> None:
    config = {"channel": "slack", "webhook": receivers.url + "/slack", "template": "{{name}}"}
    await here.define("notification", config)
    for _ in range(3):
        report = await here.deliver(event("a", name="one"), event("b", name="two"))
        assert len(report.delivered) == 2
        here.now += 5_000
    assert receivers.slack.taken == ["one\ntwo"]


async def test_crash_while_slack_is_sent_to_loses_nothing(here: World, receivers: Receivers) -> None:
    config = {"channel": "slack", "webhook": receivers.url + "/slack", "template": "{{name}}"}
    await here.define("notification", config)
    job = here.job(event("a", name="one"))
    target = await here.deliverer.targets.of(job)
    assert await here.state.claim(target.destination_key, "a") == "claimed"  # and its process is gone
    report = await here.deliver(event("a", name="one"))
    assert (report.waiting, receivers.slack.taken) == (1, [])
    await here.settle()
    assert receivers.slack.taken == ["one"]


async def test_slack_gets_one_message_a_second(here: World, receivers: Receivers) -> None:
    config = {"channel": "slack", "webhook": receivers.url + "/slack", "template": "{{name}}"}
    await here.define("notification", config)
    began = here.now
    for n in range(3):
        await here.deliver(event(f"e{n}", name=str(n)))
    assert receivers.slack.taken == ["0", "1", "2"]
    assert here.now - began >= 2_000


async def test_rate_limit_is_kept_and_loses_nothing(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook", rateLimit={"perSecond": 2, "burst": 4})
    await here.deliver(event("first"))  # it is known to answer from here on
    here.now += 2_000
    began = here.now
    receivers.hook.taken.clear()
    report = await here.deliver(*(event(f"e{n}") for n in range(12)))
    assert sorted(ids(receivers)) == sorted(f"e{n}" for n in range(12))
    assert here.now - began == 4_000, "eight after the burst, two a second, waited for in place"
    assert (report.waiting, report.behind_ms, here.queue.sent) == (0, None, [])


async def test_job_whose_turn_is_far_off_goes_back_to_the_queue_until_then(
    here: World, receivers: Receivers
) -> None:
    await here.webhook(receivers.url + "/hook", rateLimit={"perSecond": 0.1})
    began = here.now
    report = await here.deliver(*(event(f"e{n}") for n in range(4)))
    assert (len(report.delivered), report.waiting, here.now - began) == (1, 3, 0)
    await here.settle()
    assert sorted(ids(receivers)) == sorted(f"e{n}" for n in range(4))
    assert here.now - began == 30_000
    behind = [report.behind_ms for report in here.reports]
    assert behind[0] == 7_500
    assert behind[-1] is None  # nothing waited any more
    assert sum(report.attempts for report in here.reports) == 4


async def test_dead_destination_opens_its_circuit_and_one_probe_closes_it(
    here: World, receivers: Receivers
) -> None:
    await here.webhook(receivers.url + "/hook", retryPolicy={"maxRetries": 0})
    receivers.always = PlainTextResponse("down", 500)
    await here.deliver(*(event(f"lost{n}") for n in range(20)))
    asked = receivers.requests
    report = await here.deliver(*(event(f"kept{n}") for n in range(10)))
    assert (report.waiting, receivers.requests) == (10, asked)
    receivers.always = None
    here.now += 15_000
    probe = await here.deliver(*(event(f"probe{n}") for n in range(3)))
    assert (len(probe.delivered), probe.waiting, receivers.requests) == (1, 2, asked + 1)
    await here.settle()
    assert len(ids(receivers)) == 13
    assert len(await here.dead()) == 20


async def test_probe_that_fails_keeps_the_circuit_open_for_longer(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook", retryPolicy={"maxRetries": 9})
    receivers.always = PlainTextResponse("down", 500)
    await here.deliver(*(event(f"e{n}") for n in range(20)))
    asked = receivers.requests
    here.now += 15_000
    await here.deliver(event("probe"))
    here.now += 15_000
    report = await here.deliver(event("more"))
    assert (report.waiting, receivers.requests) == (1, asked + 1)


async def test_events_that_only_ever_wait_die_after_a_day(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook", retryPolicy={"maxRetries": 0})
    receivers.always = PlainTextResponse("down", 500)
    await here.deliver(*(event(f"lost{n}") for n in range(20)))
    report = await here.deliver(event("old"), createdAt=here.now - 86_400_000)
    assert report.dead == 1
    assert {dead_letter.code for dead_letter in await here.dead()} == {"failed", "expired"}


async def test_410_disables_the_destination_until_it_is_corrected(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    receivers.answers.append(PlainTextResponse("gone", 410))
    await here.deliver(event("a"))
    await here.deliver(event("b"))
    assert receivers.requests == 1
    assert {dead_letter.event_id: dead_letter.code for dead_letter in await here.dead()} == {
        "a": "gone",
        "b": "destination_disabled",
    }
    target = await here.deliverer.targets.of(here.job(event("b")))
    circuit = await here.state.circuit(target.destination_key)
    assert "gone (410)" in circuit.reason
    await here.webhook(receivers.url + "/hook?corrected")
    assert len((await here.deliver(event("c"))).delivered) == 1


async def test_410_does_not_hold_up_others_of_the_organization(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    receivers.answers.append(PlainTextResponse("gone", 410))
    await here.deliver(event("a"))
    here.organization += "-other"
    here.version = 0
    await here.webhook(receivers.url + "/hook")
    assert len((await here.deliver(event("b"))).delivered) == 1


async def test_organizations_database_is_its_secret(here: World, tmp_path: Path) -> None:
    await here.secret("DATABASE_URL", f"sqlite:///{tmp_path}/own.db", "localhost")
    await here.define("database", {"table": "agent_metrics"})
    report = await here.deliver(event("a", cost=1))
    assert report.dead == 1
    assert [dead_letter.code for dead_letter in await here.dead()] == ["unknown_table"]


async def test_dynamodb_tables_are_the_organizations_own(here: World, aws: Aws) -> None:
    name = f"tables-{here.organization}.metrics"
    aws.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "agent", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "agent", "KeyType": "HASH"}],
    )
    config = {
        "table": "metrics",
        "operation": "upsert",
        "conflictFields": ["agent"],
        "versionField": "version",
        "connection": "dynamodb:",
    }
    await here.define("database", config)
    for version in (2, 1, 3, 2):
        report = await here.deliver(
            event("a", agent="x", version=version, cost=version / 2, status={"a": []})
        )
        assert len(report.delivered) == 1
    item = aws.resource("dynamodb").Table(name).get_item(Key={"agent": "x"})["Item"]
    assert (int(item["version"]), float(item["cost"]), item["status"]) == (3, 1.5, {"a": []})
    await here.define("database", config | {"table": "../other.metrics"})
    await here.deliver(event("b", agent="x", version=9))
    assert [dead_letter.code for dead_letter in await here.dead()] == ["invalid_table"]


async def test_sns_publishes_to_topics_of_the_organization_only(here: World, aws: Aws) -> None:
    sns, sqs = aws.client("sns"), aws.client("sqs")
    topic = sns.create_topic(Name=f"topics-{here.organization}__alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName=f"sns-{here.organization}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    config = {"channel": "sns", "topicArn": topic, "template": "{{name}} is done"}
    await here.define("notification", config)
    for _ in range(2):
        assert len((await here.deliver(event("a", name="x"))).delivered) == 1
        here.now += 2_000
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2)["Messages"]
    assert [orjson.loads(one["Body"])["Message"] for one in messages] == ["x is done"]
    other = topic.replace(here.organization, "someone")
    await here.define("notification", config | {"topicArn": other})
    await here.deliver(event("b", name="x"))
    assert [dead_letter.code for dead_letter in await here.dead()] == ["topic_not_allowed"]


async def test_deleted_pipeline_keeps_its_events_as_dead_letters(here: World) -> None:
    await here.deliver(event("a"), definitionVersion=7)
    assert [dead_letter.code for dead_letter in await here.dead()] == ["pipeline_gone"]


async def test_definitions_are_read_once(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    assert isinstance(here.deliverer.targets, Targets)
    for n in range(3):
        await here.deliver(event(f"e{n}"))
    assert len(here.deliverer.targets._known) == 1


def test_event_that_cannot_be_written_stops_no_other(here: World) -> None:
    here.version = 1
    events = [event("a"), event("x" * 600), event("b", text="\ud800"), event("c")]
    jobs, refused = jobs_of(here.job(event("t")), events)
    assert [one.id for job in jobs for one in job.events] == ["a", "c"]
    assert [(one.id, error.code) for one, error in refused] == [("x" * 600, "not_json"), ("b", "not_json")]


def test_jobs_fit_into_messages(here: World) -> None:
    here.version = 1
    sizes: list[Any] = [10, 100_000, 140_000, 5, 260_000, 1_010_000, 248_900, 100, "ü" * 120_000]
    texts = [size if isinstance(size, str) else "x" * size for size in sizes]
    events = [event(f"e{n}", text=text) for n, text in enumerate(texts)]
    many = [event(f"m{n}") for n in range(2_500)]
    jobs, too_large = jobs_of(here.job(event("t")), [*events, *many])
    assert all(len(job.encode().encode()) <= MESSAGE_BYTES for job in jobs if len(job.events) > 1)
    assert all(len(job.events) <= EVENTS for job in jobs)
    assert [(one.id, error.code) for one, error in too_large] == [("e5", "too_large")]
    packed = [one.id for job in jobs for one in job.events]
    assert packed == [one.id for one in [*events, *many] if one.id != "e5"]
    assert read_job(jobs[0].encode()) == jobs[0]
