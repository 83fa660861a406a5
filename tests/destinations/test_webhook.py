import httpx
import orjson
import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from millrace.destinations.custom import custom_analytics
from millrace.destinations.results import Dead, Retry, Unsendable, Wait
from millrace.destinations.sending import AT_ONCE, HttpSender
from millrace.destinations.webhook import Webhook, sign, signing_key
from millrace.pipelines.definitions.destinations import CustomAnalyticsConfig, WebhookConfig
from millrace.pipelines.definitions.written import STORED
from tests.destinations.sending import NOW, event, kinds, posting, send
from tests.fakes.receivers import Receivers

# Made by the `standardwebhooks` package for secret, id, timestamp and body.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def webhook(receivers: Receivers, **config: object) -> Webhook:
    return Webhook(WebhookConfig.model_validate({"url": receivers.url + "/hook"} | config, context=STORED))


def test_signature_is_standard_webhooks_own() -> None:
    key = signing_key(SECRET)
    made = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert made == SIGNATURE


async def test_signed_event_arrives_with_its_id(receivers: Receivers, client: httpx.AsyncClient) -> None:
    assert kinds(await send(webhook(receivers, signingSecret=SECRET), client, event("a", n=1))) == [
        "delivered"
    ]
    (got,) = receivers.hook.taken
    assert (got.headers["webhook-id"], got.headers["webhook-timestamp"]) == ("a", str(NOW // 1000))
    expected = sign(signing_key(SECRET), "a", str(NOW // 1000), got.body)
    assert got.headers["webhook-signature"] == expected
    assert orjson.loads(got.body) == {"n": 1}


async def test_method_headers_and_template_are_used(receivers: Receivers, client: httpx.AsyncClient) -> None:
    destination = webhook(
        receivers, method="PUT", headers={"X-Team": "one"}, body='{"text": "{{name}} did", "n": {{n}}}'
    )
    name = 'a "quoted"\\ \n name", "admin": "yes'
    assert kinds(await send(destination, client, event(name=name, n={"x": [1]}))) == ["delivered"]
    (got,) = receivers.hook.taken
    assert (got.method, got.headers["x-team"]) == ("PUT", "one")
    assert orjson.loads(got.body) == {"text": f"{name} did", "n": {"x": [1]}}


async def test_template_that_is_no_json_dies_unless_the_content_type_is_another(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    assert kinds(await send(webhook(receivers, body="n={{n}}"), client, event(n=1))) == ["dead:not_json"]
    plain = webhook(receivers, body="n={{n}}", headers={"Content-Type": "text/plain"})
    assert kinds(await send(plain, client, event(n=1))) == ["delivered"]
    assert receivers.hook.taken[0].body == b"n=1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (301, "dead:redirected"),
        (304, "dead:redirected"),
        (400, "dead:refused"),
        (401, "dead:refused"),
        (404, "dead:refused"),
        (408, "retry:failed"),
        (410, "dead:gone"),
        (425, "retry:failed"),
        (429, "retry:throttled"),
        (500, "retry:failed"),
        (503, "retry:failed"),
    ],
)
async def test_status_decides_the_result(
    receivers: Receivers, client: httpx.AsyncClient, status: int, kind: str
) -> None:
    receivers.always = Response(None if status in (204, 304) else "said", status)
    sent = await send(webhook(receivers), client, event())
    assert kinds(sent) == [kind]
    assert sent.gone == (status == 410)


async def test_redirect_is_never_followed(receivers: Receivers, client: httpx.AsyncClient) -> None:
    receivers.answers.append(RedirectResponse(receivers.url + "/hook", 307))
    assert kinds(await send(webhook(receivers), client, event())) == ["dead:redirected"]
    assert receivers.requests == 1


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [("7", 7.0), ("1.5", 1.5), ("Wed, 21 Oct 2015 07:29:00 GMT", 60.0), ("soon", None), ("-5", None)],
)
async def test_retry_after_is_read_as_seconds_or_date(
    receivers: Receivers, client: httpx.AsyncClient, asked: str, seconds: float | None
) -> None:
    headers = {"Retry-After": asked, "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    receivers.always = PlainTextResponse("busy", 503, headers=headers)
    (result,) = (await send(webhook(receivers), client, event())).results
    assert isinstance(result, Retry)
    if asked.startswith("Wed"):  # uvicorn may add a Date of its own
        assert result.failure.retry_after is not None
    else:
        assert result.failure.retry_after == seconds


async def test_refused_connection_is_retried(client: httpx.AsyncClient) -> None:
    nobody = Webhook(WebhookConfig.model_validate({"url": "http://127.0.0.1:9/"}))
    sent = await send(nobody, client, event())
    assert kinds(sent) == ["retry:unreachable"]
    assert sent.failed == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil"},
        {"Content-Length": "5"},
        {"Webhook-Id": "x"},
        {"X": "a\r\nY: b"},
        {"a b": "c"},
        {"X": "ü"},
    ],
)
def test_headers_that_would_change_the_request_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Unsendable):
        Webhook(
            WebhookConfig.model_validate({"url": "https://example.com", "headers": headers}, context=STORED)
        )


async def test_bad_event_does_not_stop_the_others(receivers: Receivers, client: httpx.AsyncClient) -> None:
    destination = webhook(receivers, body='{"sum": {{1 + items[0].deep.x}}}')
    poison = event("bad", items="x" * 10)
    good = [event(f"e{n}", items=[{"deep": {"x": n}}]) for n in range(20)]
    sent = await send(destination, client, *good[:10], poison, *good[10:])
    assert kinds(sent).count("delivered") >= 20
    assert {got.headers["webhook-id"] for got in receivers.hook.taken} >= {one.id for one in good}


async def test_custom_analytics_is_a_webhook_by_post(receivers: Receivers, client: httpx.AsyncClient) -> None:
    config = CustomAnalyticsConfig.model_validate(
        {"provider": "custom", "url": receivers.url + "/hook", "body": '{"n": {{n}}}'}
    )
    sent = await send(custom_analytics(config), client, event(n=2), event(n=None))
    assert kinds(sent) == ["delivered"] * 2
    assert sorted(got.body for got in receivers.hook.taken) == [b'{"n": 2}', b'{"n": null}']


async def test_answer_without_end_is_cut(receivers: Receivers, client: httpx.AsyncClient) -> None:
    receivers.always = PlainTextResponse("x" * 1_000_000, 400)
    (result,) = (await send(webhook(receivers), client, event())).results
    assert isinstance(result, Dead)
    assert len(result.failure.body) == 64 * 1024


async def test_batch_stops_after_a_410(receivers: Receivers, client: httpx.AsyncClient) -> None:
    receivers.always = PlainTextResponse("gone", 410)
    sent = await send(webhook(receivers), client, *(event(f"e{n}") for n in range(100)))
    assert kinds(sent) == ["dead:gone"] * 100
    assert sent.gone
    assert receivers.requests <= AT_ONCE


async def test_waiting_job_does_not_ask_again_for_each_event(
    receivers: Receivers, client: httpx.AsyncClient
) -> None:
    asked = 0

    async def wait_for_slot(behind: int = 0) -> int:
        nonlocal asked
        asked += 1
        return 0 if asked == 1 else 700

    events = [event(f"e{n}") for n in range(100)]
    sent = await HttpSender(webhook(receivers), posting(client), lambda: NOW).send(events, wait_for_slot)
    assert kinds(sent).count("delivered") == 1
    assert sent.results.count(Wait(700)) == 99
    assert asked <= AT_ONCE + 1
