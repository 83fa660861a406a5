"""The destinations of the reference's examples, on the local stack: from chats and pushed items to servers
that check what the real ones check, and to real databases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from standardwebhooks import Webhook

from tests.api.talk import say
from tests.e2e.streaming import (
    dead_letters,
    metrics,
    push,
    started,
    store_secret,
    wait_until,
    wait_until_delivered,
)
from tests.fakes.receivers import TOKEN, Receivers
from tests.services.pipelines.definitions import REFERENCE
from tests.stack import RunningStack

MIXPANEL: dict[str, Any] = {
    "type": "analytics",
    "config": {"provider": "mixpanel", "projectToken": "${secrets.MIXPANEL_TOKEN}"},
}
TRACKED = {
    "expression": {"event_type": '"agent_completion"', "user_id": "conversationId", "tokens": "tokens"}
}
SIGNING_SECRET = "whsec_c2lnbmluZyBzZWNyZXQgb2YgdGhlIHRlc3Q="


def make_agents(chat: httpx.Client, *ids: str) -> None:
    for id in ids:
        made = chat.post("/api/agents", json={"id": id, "name": f"Agent {id}", "model": "echo:"})
        assert made.status_code == 201, made.text


def test_references_pipeline_tells_mixpanel_of_chats(
    stack: RunningStack, chat: httpx.Client, services: Receivers
) -> None:
    make_agents(chat, "agent-123", "agent-456", "agent-789")
    store_secret(chat, "MIXPANEL_TOKEN", TOKEN)
    id = started(chat, **REFERENCE | {"destination": MIXPANEL})
    for agent in ("agent-123", "agent-456", "agent-789", "agent-123"):
        say(chat, "/echo tools=0\nhello", conversation=agent, agentId=agent)
    wait_until(lambda: len(services.mixpanel.taken) >= 3)
    wait_until_delivered(stack)
    reported = [event["properties"] for event in services.mixpanel.taken.values()]
    assert sorted(own["agent_id"] for own in reported) == ["agent-123", "agent-123", "agent-456"]
    assert {event["event"] for event in services.mixpanel.taken.values()} == {"agent_completion"}
    for own in reported:
        assert own["tokens"] > 0
        assert own["timestamp"].endswith("Z")
        assert own["distinct_id"] == own["agent_id"]
    assert metrics(chat, id)["itemsProcessed"] == 3
    assert dead_letters(chat, id) == []


def test_events_that_mixpanel_refuses_are_dead_letters_and_the_rest_arrives(
    chat: httpx.Client, services: Receivers
) -> None:
    store_secret(chat, "MIXPANEL_TOKEN", TOKEN)
    id = started(chat, destination=MIXPANEL)
    events = [{"event": "partial", "distinct_id": person} for person in ("ada", "undefined", "bob")]
    push(chat, id, *events)
    wait_until(lambda: len(dead_letters(chat, id)) == 1)
    (dead_letter,) = dead_letters(chat, id)
    assert (dead_letter["place"], dead_letter["error"]["code"], dead_letter["status"]) == (
        "destination:0",
        "refused",
        400,
    )
    assert "distinct_id" in dead_letter["error"]["message"]
    assert dead_letter["event"]["payload"] == events[1]
    taken = [event["properties"] for event in services.mixpanel.taken.values() if event["event"] == "partial"]
    assert sorted(own["distinct_id"] for own in taken) == ["ada", "bob"]


@pytest.mark.parametrize(("provider", "credential"), [("segment", "writeKey"), ("amplitude", "apiKey")])
def test_analytics_are_told_of_a_chat(
    chat: httpx.Client, services: Receivers, organization: str, provider: str, credential: str
) -> None:
    store_secret(chat, "ANALYTICS_KEY", TOKEN)
    config = {"provider": provider, credential: "${secrets.ANALYTICS_KEY}"}
    id = started(
        chat,
        transforms=[{"type": "map", "config": TRACKED}],
        destination={"type": "analytics", "config": config},
    )
    say(chat, "/echo tools=0\nhello", conversation=organization)
    person, properties = {
        "segment": ("userId", "properties"),
        "amplitude": ("user_id", "event_properties"),
    }[provider]
    service = getattr(services, provider)
    wait_until(lambda: any(event[person] == organization for event in service.taken.values()))
    (event,) = [event for event in service.taken.values() if event[person] == organization]
    assert event[properties]["tokens"] > 0
    assert dead_letters(chat, id) == []
    assert services.segment.gone == []


def test_slack_hears_of_a_chat(stack: RunningStack, chat: httpx.Client, services: Receivers) -> None:
    make_agents(chat, "slack-teller")
    store_secret(chat, "SLACK_WEBHOOK", f"{services.url}/slack")
    config = {
        "channel": "slack",
        "webhook": "${secrets.SLACK_WEBHOOK}",
        "template": "Agent {{agentName}} completed with {{tokens}} tokens",
    }
    started(chat, destination={"type": "notification", "config": config})
    say(chat, "/echo tools=0\nhello", agentId="slack-teller")
    wait_until(lambda: bool(services.slack.taken))
    wait_until_delivered(stack)
    (line,) = services.slack.taken
    words = line.split()
    assert words[:4] == ["Agent", "Agent", "slack-teller", "completed"]
    assert int(words[5]) > 0


def test_slack_hears_of_an_approval_by_its_template(chat: httpx.Client, services: Receivers) -> None:
    store_secret(chat, "SLACK_WEBHOOK", f"{services.url}/slack")
    made = chat.post("/api/streaming/templates/approvals-to-slack/pipelines", json={})
    assert made.status_code == 201, made.text
    assert chat.post(f"/api/streaming/pipelines/{made.json()['id']}/start").status_code == 200
    asking = {"name": "Clerk", "model": "echo:", "tools": [{"name": "echo_tool", "policy": "ask"}]}
    assert chat.post("/api/agents", json=asking | {"id": "clerk"}).status_code == 201
    asked = chat.post("/api/conversations/c1/messages", json={"content": "hello", "agentId": "clerk"}).json()
    assert asked["finishReason"] == "waiting"
    (call,) = chat.get("/api/approvals").json()["items"]
    wait_until(lambda: any(call["runId"] in line for line in services.slack.taken))
    (line,) = [line for line in services.slack.taken if call["runId"] in line]
    asked_for = f"approve echo_tool (run {call['runId']}, call {call['callId']})"
    assert line == f"Clerk waits until {call['expiresAt']}: {asked_for}"


def test_webhook_is_signed_as_the_official_package_verifies(chat: httpx.Client, services: Receivers) -> None:
    store_secret(chat, "API_KEY", "key-of-the-webhook")
    store_secret(chat, "SIGNING", SIGNING_SECRET)
    config = {
        "url": f"{services.url}/hook",
        "method": "POST",
        "headers": {"Authorization": "Bearer ${secrets.API_KEY}"},
        "retryPolicy": {"maxRetries": 3, "backoffMs": 1000},
        "signingSecret": "${secrets.SIGNING}",
    }
    id = started(chat, destination={"type": "webhook", "config": config})
    push(chat, id, {"id": "signed-1", "payload": {"text": "größer <&> 1"}})
    wait_until(lambda: bool(services.hook.taken))
    (request,) = services.hook.taken
    assert request.headers["authorization"] == "Bearer key-of-the-webhook"
    assert request.headers["webhook-id"].startswith("signed-1-")
    assert Webhook(SIGNING_SECRET).verify(request.body, request.headers) == {"text": "größer <&> 1"}


_TABLE = """
create table agent_metrics (
    agent_id varchar(40) not null, date varchar(10) not null, cost float, version integer,
    primary key (agent_id, date)
)"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Engine]]:
    """A database with the reference's table: its URL as a user writes it, and a way to look inside."""
    sqlite = f"sqlite:///{tmp_path}/metrics.db"
    url = sqlite if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))
    plain = make_url(url)
    engine = create_engine(plain if url is sqlite else plain.set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text(_TABLE))
    yield url, engine
    with engine.begin() as connection:
        connection.execute(text("drop table agent_metrics"))
    engine.dispose()


def rows(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.begin() as connection:
        found = connection.execute(text("select * from agent_metrics order by agent_id, date"))
        return [tuple(row) for row in found]


def test_rows_are_upserted_and_a_stale_version_never_wins(
    stack: RunningStack, chat: httpx.Client, database: tuple[str, Engine]
) -> None:
    """The reference's example: `connection` left out, so the secret DATABASE_URL names the database."""
    url, engine = database
    store_secret(chat, "DATABASE_URL", url, "localhost", "127.0.0.1")
    config = {
        "table": "agent_metrics",
        "operation": "upsert",
        "conflictFields": ["agent_id", "date"],
        "versionField": "version",
    }
    id = started(chat, destination={"type": "database", "config": config})

    def written(*versions: int) -> list[tuple[Any, ...]]:
        """Rows after these versions were delivered, one by one."""
        for version in versions:
            row = {"agent_id": "agent-123", "date": "2027-01-15", "cost": version / 2, "version": version}
            push(chat, id, row, row | {"agent_id": "agent-456"})
            wait_until_delivered(stack)
        return rows(engine)

    assert written(5) == [("agent-123", "2027-01-15", 2.5, 5), ("agent-456", "2027-01-15", 2.5, 5)]
    assert [row[2:] for row in written(3, 4, 5)] == [(2.5, 5), (2.5, 5)]
    assert [row[2:] for row in written(8, 7)] == [(4.0, 8), (4.0, 8)]
    assert dead_letters(chat, id) == []
