"""Erasure: no data of an organization or user is left in any table, bucket or schedule, and nobody else's is
deleted. A table or bucket that is added to the template fails here until it is covered."""

import random
from functools import cache
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from millrace.domain.erasures import QUIET_MS, Erasure
from millrace.services.erasures import Eraser
from millrace.services.runs.platform import Platform
from millrace.settings import Settings
from millrace.stores import limits
from millrace.stores.dynamo import Dynamo
from millrace.stores.large_objects import MESSAGES
from millrace.stores.limits import control_key
from millrace.stores.remains import BUCKETS, TABLES, belongs_to
from tests.api.talk import error_of, say
from tests.api.worlds import World, fill, make_world
from tests.aws import Aws
from tests.templates import translated
from tests.tokens import Issuer


def of_type(kind: str) -> dict[str, Any]:
    return {name: one.get("Properties", {}) for name, one in resources().items() if one["Type"] == kind}


@cache
def resources() -> dict[str, Any]:
    return dict(translated().body["Resources"])


@pytest.fixture
def world(platform: Platform, aws: Aws) -> World:
    return make_world(platform, aws)


def test_every_table_and_bucket_of_the_template_is_covered(aws: Aws) -> None:
    environment = Settings.from_environment(aws.environment("RecordFunction"))
    tables = {getattr(environment, name) for name in TABLES}
    assert "" not in tables
    assert tables == {aws.tables[name] for name in of_type("AWS::DynamoDB::Table")}
    # The website's files are nobody's.
    assert set(of_type("AWS::S3::Bucket")) == {"FilesBucket", "JournalBucket", "WebBucket"}
    assert all(getattr(environment, name) for name in BUCKETS)
    assert set(of_type("AWS::Scheduler::ScheduleGroup")) == {"PipelineSchedules"}


def test_data_that_cannot_be_deleted_expires() -> None:
    """Logs have ids and no content; queues hold a message for two weeks at most, with its object."""
    assert all("RetentionInDays" in one for one in of_type("AWS::Logs::LogGroup").values())
    assert all(
        one.get("MessageRetentionPeriod", 345_600) <= 1_209_600 for one in of_type("AWS::SQS::Queue").values()
    )
    rules = of_type("AWS::S3::Bucket")["JournalBucket"]["LifecycleConfiguration"]["Rules"]
    assert any("Prefix" not in rule and rule["ExpirationInDays"] == 30 for rule in rules), MESSAGES


def test_erased_organization_leaves_nothing_and_others_keep_all(
    world: World, chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    fill(world, chat, management, organization, 1)
    filled = world.items(organization)
    assert set(filled) == set(TABLES), "every table has something"
    assert len(world.objects(organization)) >= 4
    # Names that a careless look would take for the organization's.
    neighbor, schedules = f"{organization}0", set(world.schedules())
    chat.headers.update(issuer.headers(neighbor))
    admin = dict(management.headers)
    management.headers.update(issuer.headers(neighbor))
    fill(world, chat, management, neighbor, 2)
    # A conversation of somebody else's that is called as the organization is.
    say(chat, "hello", conversation=organization)
    kept = {name: len(items) for name, items in world.items(neighbor).items()}
    added = set(world.schedules()) - schedules

    begun = management.post("/api/erasures", json={"organization": organization}, headers=admin)
    assert begun.status_code == 202, begun.text
    assert (begun.json()["state"], begun.json()["userId"]) == ("running", None)
    world.sweep(3)
    shown = management.get("/api/erasures", headers=admin).json()["items"]
    assert [one["step"] for one in shown] == ["quiet"]
    world.sweep(3, QUIET_MS + 60_000)

    mine = {
        name: [one for one in found if neighbor not in one]
        for name, found in world.items(organization).items()
    }
    assert {name: found for name, found in mine.items() if found} == {}
    assert [key for key in world.objects(organization) if neighbor not in key] == []
    assert {name: len(items) for name, items in world.items(neighbor).items()} == kept
    assert len(world.objects(neighbor)) >= 4
    assert added <= set(world.schedules())
    assert len(schedules & set(world.schedules())) == len(schedules) - 1


def test_organization_is_closed_while_it_is_erased(
    chat: httpx.Client,
    management: httpx.Client,
    organization: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CACHE_SECONDS", 0.0)
    secret = management.post("/api/keys", json={"name": "S", "scopes": ["chat"]}).json()["secret"]
    assert management.post("/api/erasures", json={"organization": organization}).status_code == 202
    by_key = {"authorization": f"Bearer {secret}"}
    message = {"agentId": "echo", "content": "hello"}
    for headers in ({}, by_key):
        for refused in (
            chat.get("/api/conversations", headers=headers),
            chat.post("/api/conversations/c1/messages", json=message, headers=headers),
            chat.post("/v1/responses", json={"model": "agent:echo", "input": "x"}, headers=headers),
        ):
            assert error_of(refused) == (403, "organization_erased")
    assert error_of(management.get("/api/limits")) == (403, "organization_erased")
    assert [one["userId"] for one in management.get("/api/erasures").json()["items"]] == [None]


@pytest.mark.parametrize(
    "body", [{}, {"organization": "another"}, {"userId": "u", "organization": "o"}, {"userId": ""}]
)
def test_erasure_of_what_is_not_named_is_refused(management: httpx.Client, body: dict[str, Any]) -> None:
    assert management.post("/api/erasures", json=body).status_code == 422
    assert management.get("/api/erasures").json()["items"] == []


class Killed(Exception):
    """The process is gone."""


def test_erasure_that_dies_anywhere_is_finished_by_later_sweeps(
    world: World,
    chat: httpx.Client,
    management: httpx.Client,
    organization: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(world, chat, management, organization, 3)
    management.post("/api/erasures", json={"organization": organization})
    call, chance = type(world.stores.aws).call, random.Random(7)

    async def dying(self: Any, service: str, operation: str, **given: Any) -> Any:
        answer = await call(self, service, operation, **given)
        if operation not in ("get_item", "query", "scan") and chance.random() < 0.2:
            raise Killed  # behind what was written
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(type(world.stores.aws), "call", dying)
        for _ in range(12):
            world.sweep(1, 60_000)
    world.sweep(6, QUIET_MS + 60_000)
    assert world.items(organization) == {}
    assert world.objects(organization) == []


def test_erased_user_leaves_nothing_and_others_keep_theirs(
    world: World, chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    most = {"costPerDay": 5, "concurrentRuns": 5, "requestsPerMinute": 99, "conversations": 9}
    management.patch("/api/limits", json={"user": most})
    say(chat, "hello", conversation="mine")
    chat.post("/api/conversations/mine/shares", json={"userId": "leaver", "access": "write"})
    chat.headers.update(issuer.user(organization, "leaver", "customer"))
    say(chat, "my secret life", conversation="theirs")
    chat.post("/api/files", json={"name": "a.txt", "mediaType": "text/plain", "size": 3})
    chat.headers.update(issuer.headers(organization))

    begun = management.post("/api/erasures", json={"userId": "leaver"})
    assert begun.status_code == 202, begun.text
    world.sweep(2)
    [shown] = management.get("/api/erasures").json()["items"]
    assert (shown["state"], shown["userId"]) == ("done", "leaver")
    left = world.items(organization)
    named = {name: [one for one in found if "leaver" in one] for name, found in left.items()}
    # What is left tells that the user was erased, and whose tokens count no more.
    assert {name for name, found in named.items() if found} <= {"audit_table", "limits_table", "events_table"}
    assert not any("my secret life" in one for found in left.values() for one in found)
    assert all(control_key(organization)["pk"] in one or "#erasures" in one for one in named["limits_table"])
    assert chat.get("/api/conversations/mine").status_code == 200
    assert chat.get("/api/conversations/mine/shares").json()["items"] == []
    assert chat.get("/api/conversations/theirs").status_code == 404


def test_erasure_that_was_asked_for_twice_is_one(
    world: World, management: httpx.Client, organization: str
) -> None:
    first = management.post("/api/erasures", json={"userId": "u"}).json()
    assert management.post("/api/erasures", json={"userId": "u"}).json() == first
    world.sweep(2)
    assert management.get("/api/erasures").json()["items"][0]["state"] == "done"
    again = management.post("/api/erasures", json={"userId": "u"}).json()
    assert again["state"] == "running"


async def test_two_sweeps_do_not_work_on_one_erasure(world: World, organization: str) -> None:
    erasure = Erasure(organization, "u", "admin", world.now[0])
    await Dynamo(world.stores.aws).write(world.stores.erasures.begin(erasure))
    taken = await world.stores.erasures.claim(erasure)
    assert taken is not None
    assert await world.stores.erasures.claim(erasure) is None
    assert [one for one in await world.stores.erasures.unfinished() if one.organization == organization] == []
    stale = replace(taken, version=taken.version - 1)
    assert await Eraser.connect(world.stores).run(stale) is False


@pytest.mark.parametrize(
    ("item", "of_tickets", "belongs"),
    [
        ({"pk": "acme"}, False, True),
        ({"pk": "acme#c1", "sk": "META"}, False, True),
        ({"pk": "acme0#c1", "sk": "META"}, False, False),
        ({"pk": "other#acme", "sk": "META"}, False, False),
        ({"pk": "speech#acme#u", "sk": "META"}, False, False),
        ({"pk": "speech#acme#u#s"}, True, True),
        ({"pk": "acme"}, True, False),
        ({"pk": "#gone#acme#a", "sk": "MARK"}, False, True),
        ({"pk": "#gone#other#acme", "sk": "acme#x"}, False, False),
        ({"pk": "#forgetting", "sk": "acme#a"}, False, True),
        ({"pk": "#active", "sk": "acme#"}, False, True),
        ({"pk": "#active", "sk": "acme0#"}, False, False),
        ({"pk": "#running", "sk": "acme#1"}, False, False),
        ({"pk": "#erasures", "sk": "acme#", "organization": "acme"}, False, False),
        ({"pk": "acme#CONTROL", "sk": "CONTROL"}, False, False),
        ({"pk": "f" * 64, "organization": "acme"}, False, True),
    ],
)
def test_items_are_told_apart_by_whose_they_are(
    item: dict[str, Any], of_tickets: bool, belongs: bool
) -> None:
    assert belongs_to("acme", item, of_tickets=of_tickets) is belongs
