"""Slack, Discord and Teams."""

import httpx
import orjson
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from millrace.destinations.discord import Discord
from millrace.destinations.results import Retry
from millrace.destinations.slack import Slack
from millrace.destinations.teams import Teams
from millrace.pipelines.definitions.destinations import ChatConfig
from tests.destinations.sending import event, kinds, send
from tests.fakes.receivers import Receivers


def config(receivers: Receivers, path: str, template: str = "Agent {{name}} is done") -> ChatConfig:
    channel = path if path in ("discord", "teams") else "slack"
    given = {
        "channel": channel,
        "webhook": f"{receivers.url}/{'slack' if path == 'slack' else 'hook'}",
        "template": template,
    }
    return ChatConfig.model_validate(given)


async def test_values_cannot_mention_or_link_in_slack(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    sent = await send(Slack(config(receivers, "slack")), client, event(name="<!channel> & <b>"))
    assert kinds(sent) == ["delivered"]
    assert receivers.slack.taken == ["Agent &lt;!channel&gt; &amp; &lt;b&gt; is done"]


async def test_many_events_become_few_messages(receivers: Receivers, client: httpx.AsyncClient) -> None:
    events = [event(f"e{n}", name=str(n)) for n in range(150)]
    assert kinds(await send(Slack(config(receivers, "slack")), client, *events)) == ["delivered"] * 150
    lines = [line for message in receivers.slack.taken for line in message.split("\n")]
    assert sorted(lines) == sorted(f"Agent {n} is done" for n in range(150))
    assert len(receivers.slack.taken) == 2


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, "invalid_payload", "dead:refused"),
        (403, "action_prohibited", "dead:refused"),
        (404, "no_service", "dead:refused"),
        (410, "channel_is_archived", "dead:gone"),
        (200, "something else", "dead:refused"),
        (500, "rollup_error", "retry:failed"),
        (429, "rate_limited", "retry:throttled"),
    ],
)
async def test_slacks_answers(
    receivers: Receivers, client: httpx.AsyncClient, status: int, body: str, kind: str
) -> None:
    receivers.always = PlainTextResponse(body, status)
    assert kinds(await send(Slack(config(receivers, "slack")), client, event(name="a"))) == [kind]


async def test_empty_line_is_not_sent(receivers: Receivers, client: httpx.AsyncClient) -> None:
    sent = await send(Slack(config(receivers, "slack", "{{name}}")), client, event(), event(name="b"))
    assert kinds(sent) == ["dead:empty", "delivered"]
    assert receivers.slack.taken == ["b"]


async def test_long_line_is_cut(receivers: Receivers, client: httpx.AsyncClient) -> None:
    await send(Slack(config(receivers, "slack", "{{name}}")), client, event(name="ü" * 9_000))
    assert receivers.slack.taken == ["ü" * 3_999 + "…"]


async def test_discord_notifies_nobody_and_waits_as_its_body_says(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    discord = Discord(config(receivers, "discord"))
    assert kinds(await send(discord, client, event(name="@everyone *b*"))) == ["delivered"]
    said = orjson.loads(receivers.hook.taken[0].body)
    assert said["allowed_mentions"] == {"parse": []}
    assert said["content"] == r"Agent @everyone \*b\* is done"
    receivers.always = JSONResponse({"retry_after": 2.5}, 429)
    (result,) = (await send(discord, client, event(name="a"))).results
    assert isinstance(result, Retry)
    assert result.failure.retry_after == 2.5


async def test_discord_takes_no_more_than_2000_characters(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    events = [event(f"e{n}", name="x" * 300) for n in range(20)]
    assert kinds(await send(Discord(config(receivers, "discord")), client, *events)) == ["delivered"] * 20
    assert all(len(orjson.loads(got.body)["content"]) <= 2_000 for got in receivers.hook.taken)


async def test_teams_gets_a_card_and_its_errors_in_a_200_are_seen(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    teams = Teams(config(receivers, "teams"))
    assert kinds(await send(teams, client, event(name="a"), event(name="b"))) == ["delivered"] * 2
    (attachment,) = orjson.loads(receivers.hook.taken[0].body)["attachments"]
    assert attachment["content"]["body"][0]["text"] == "Agent a is done\n\nAgent b is done"
    for text, kind in (("returned HTTP error 429", "retry:throttled"), ("Some error", "dead:refused")):
        receivers.always = PlainTextResponse(text)
        assert kinds(await send(teams, client, event(name="a"))) == [kind]
