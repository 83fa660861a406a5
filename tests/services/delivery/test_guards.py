"""Deliveries never go to private addresses and never show secrets."""

import logging

import pytest
from starlette.responses import PlainTextResponse, RedirectResponse

from millrace.destinations.catalog import ServiceUrls
from millrace.destinations.secrets import check_secrets
from millrace.errors import InvalidRequest
from millrace.net.client import guarded_client
from millrace.pipelines.definitions.definition import parse_definition
from tests.fakes.receivers import Receivers
from tests.services.delivery.delivering import World, event, world

SECRET = 'sk-"very/secret+value=='


@pytest.mark.parametrize("echo", ["{}", "Authorization: Bearer {}", "x" * 1_015 + "{}"])
async def test_secret_is_sent_and_never_seen_again(
    here: World, receivers: Receivers, caplog: pytest.LogCaptureFixture, echo: str
) -> None:
    caplog.set_level(logging.DEBUG, "millrace")
    await here.secret("API_KEY", SECRET, "127.0.0.1")
    await here.webhook(receivers.url + "/hook", headers={"Authorization": "Bearer ${secrets.API_KEY}"})
    await here.deliver(event("a"))
    assert receivers.hook.taken[0].headers["authorization"] == f"Bearer {SECRET}"
    receivers.always = PlainTextResponse(echo.format(SECRET), 400)
    await here.deliver(event("b"))
    (dead_letter,) = await here.dead()
    seen = repr(dead_letter) + caplog.text + repr(here.queue.sent) + repr(here.deliverer)
    assert "very/secret" not in seen
    assert "sk-" not in seen
    assert "[secret" in dead_letter.body


async def test_reason_of_an_open_circuit_contains_no_secrets(here: World, receivers: Receivers) -> None:
    await here.secret("PATH", "averysecretvalue", "127.0.0.1")
    await here.webhook("http://127.0.0.1:1/${secrets.PATH}", retryPolicy={"maxRetries": 0})
    await here.deliver(*(event(f"e{n}") for n in range(20)))
    target = await here.deliverer.targets.of(here.job(event("a")))
    circuit = await here.state.circuit(target.destination_key)
    assert circuit.is_open
    assert circuit.reason
    assert "averysecretvalue" not in circuit.reason


async def test_basic_credentials_are_redacted_as_they_are_sent(here: World, receivers: Receivers) -> None:
    await here.define("analytics", {"provider": "segment", "writeKey": "a-literal-write-key"})
    receivers.always = PlainTextResponse("you sent YS1saXRlcmFsLXdyaXRlLWtleTo=", 403)
    await here.deliver(event("a", userId="u"))
    assert (await here.dead())[0].body == "you sent [secret write_key]"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?k=${secrets.API_KEY}",
        "https://${secrets.API_KEY}.evil.example/",
        "https://api.example.com@evil.example/${secrets.API_KEY}",
        "https://api.example.com.evil.example/${secrets.API_KEY}",
        "https://evilexample.com/${secrets.API_KEY}",
    ],
)
async def test_secret_is_not_sent_to_a_host_it_is_not_bound_to(deployed: World, url: str) -> None:
    await deployed.secret("API_KEY", "averysecretvalue", "api.example.com", "*.example.com")
    await deployed.webhook(url)
    await deployed.deliver(event("a"))
    (dead_letter,) = await deployed.dead()
    assert dead_letter.code == "secret_not_allowed"
    assert "averysecretvalue" not in repr(dead_letter)


async def test_unknown_secret_is_named_when_the_pipeline_is_made_and_when_it_is_gone(
    here: World, receivers: Receivers
) -> None:
    config = {"url": receivers.url, "headers": {"X": "${secrets.LOST}"}}
    definition = parse_definition(
        {
            "name": "p",
            "source": {"type": "agent_execution"},
            "destinations": [
                {"type": "webhook", "config": config},
                {"type": "database", "config": {"table": "t"}},
            ],
        }
    )
    with pytest.raises(InvalidRequest) as error:
        check_secrets(definition, await here.secrets.names(here.organization))
    assert error.value.details["secrets"] == ["DATABASE_URL", "LOST"]
    await here.define("webhook", config)
    await here.deliver(event("a"))
    assert [dead_letter.code for dead_letter in await here.dead()] == ["unknown_secret"]


async def test_another_organizations_secret_is_unknown(here: World, receivers: Receivers) -> None:
    await here.secret("API_KEY", "averysecretvalue", "127.0.0.1")
    here.organization += "-other"
    await here.webhook(receivers.url + "/hook", headers={"X": "${secrets.API_KEY}"})
    await here.deliver(event("a"))
    assert [dead_letter.code for dead_letter in await here.dead()] == ["unknown_secret"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.1.2.3/",
        "https://192.168.1.1:8443/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[fd00:ec2::254]/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://private.example/",
        "https://mixed.example/",
        "https://example.com:22/",
    ],
)
async def test_delivery_to_forbidden_addresses_is_refused(deployed: World, url: str) -> None:
    await deployed.webhook(url)
    report = await deployed.deliver(event("a"))
    assert report.dead == 1
    (dead_letter,) = await deployed.dead()
    assert dead_letter.code in ("address_not_allowed", "invalid_url")


async def test_name_whose_address_changes_gains_nothing(environ: dict[str, str]) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])

    async def resolve(host: str, port: int) -> list[str]:
        return next(answers)

    async with guarded_client(resolve=resolve) as client:
        place = world(environ, client, ServiceUrls(), loopback=False)
        await place.webhook("https://rebinding.example/")
        for id in ("a", "b"):
            await place.deliver(event(id))
        assert {dead_letter.code for dead_letter in await place.dead()} == {"address_not_allowed"}


async def test_redirect_to_a_private_address_is_not_followed(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook")
    receivers.answers.append(RedirectResponse("http://169.254.169.254/latest/", 302))
    await here.deliver(event("a"))
    assert [dead_letter.code for dead_letter in await here.dead()] == ["redirected"]
    assert receivers.requests == 1
