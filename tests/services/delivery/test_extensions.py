"""Deliveries through a destination from another package, and the results without it."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.fakes.packages import acme
from tests.fakes.receivers import Receivers
from tests.services.delivery.delivering import World, event


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    with acme(tmp_path):
        yield tmp_path


async def define(here: World, receivers: Receivers) -> None:
    await here.secret("ACME", "sesame-open", "127.0.0.1")
    config = {"url": receivers.url + "/hook", "token": "${secrets.ACME}", "retryPolicy": {"maxRetries": 0}}
    await here.define("acme", config)


async def test_events_are_sent_as_the_package_writes_them(
    package: Path, here: World, receivers: Receivers
) -> None:
    await define(here, receivers)
    report = await here.deliver(*(event(f"e{n}", n=n) for n in range(3)))
    assert len(report.delivered) == 3
    (taken,) = receivers.hook.taken
    assert taken.headers["authorization"] == "Bearer sesame-open"
    assert [one["data"] for one in orjson.loads(taken.body)] == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_secret_goes_to_no_other_host_than_its_own(
    package: Path, here: World, receivers: Receivers
) -> None:
    await define(here, receivers)
    await here.secret("ACME", "sesame-open", "acme.example")
    await here.deliver(event("a"))
    (dead_letter,) = await here.dead()
    assert (dead_letter.code, receivers.hook.taken) == ("secret_not_allowed", [])


async def test_dead_letter_says_that_the_package_is_missing(here: World, receivers: Receivers) -> None:
    await define(here, receivers)
    await here.deliver(event("a"))
    (dead_letter,) = await here.dead()
    assert dead_letter.code == "extension_missing"
    assert dead_letter.message.startswith("The destination 'acme' is not installed here.")


async def test_dead_letters_of_a_missing_package_are_sent_once_it_is_installed(
    here: World, receivers: Receivers, tmp_path: Path
) -> None:
    await define(here, receivers)
    await here.deliver(event("a"))
    with acme(tmp_path):
        await here.define("acme", {"url": receivers.url + "/hook", "token": "plain"})
        report = await here.deliver(event("a"))
    assert len(report.delivered) == 1
