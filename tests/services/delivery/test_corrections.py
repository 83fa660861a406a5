"""Jobs that wait for a retry while their pipeline is corrected or deleted."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from millrace.pipelines.definitions.definition import parse_definition
from millrace.services.delivery.target import LATEST_MS, counterpart
from tests.fakes.receivers import Receivers
from tests.services.delivery.delivering import World, event

PATIENT = {"maxRetries": 5, "backoffMs": 2 * LATEST_MS}


async def test_waiting_delivery_goes_to_the_corrected_url(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/wrong", retryPolicy=PATIENT)
    receivers.answers.append(PlainTextResponse("down", 503))
    assert (await here.deliver(event("a"))).retried == 1
    await here.webhook(receivers.url + "/hook", headers={"X-Corrected": "yes"}, retryPolicy=PATIENT)
    await here.settle()
    (got,) = receivers.hook.taken
    assert got.headers["x-corrected"] == "yes"
    assert await here.dead() == []


async def test_delivery_of_a_deleted_pipeline_ends_with_a_reason(here: World, receivers: Receivers) -> None:
    await here.webhook(receivers.url + "/hook", retryPolicy=PATIENT)
    receivers.answers.append(PlainTextResponse("down", 503))
    await here.deliver(event("a"))
    await here.delete()
    await here.settle()
    assert receivers.hook.taken == []
    assert here.reports[-1].dead == 1
    (dead_letter,) = await here.dead()
    assert (dead_letter.event_id, dead_letter.code) == ("a", "pipeline_gone")


def destinations(*given: tuple[str | None, str]) -> Any:
    wanted = [
        {"type": "webhook", "config": {"url": url}} | ({"name": name} if name else {}) for name, url in given
    ]
    source = {"type": "agent_execution"}
    return parse_definition({"name": "p", "source": source, "destinations": wanted}).targets


URLS = st.sampled_from(["https://a.example/", "https://b.example/", "https://c.example/"])
UNNAMED = st.lists(st.tuples(st.none(), URLS), min_size=1, max_size=4)
NAMED = st.lists(
    st.tuples(st.sampled_from("abcd"), URLS), min_size=1, max_size=4, unique_by=lambda one: one[0]
)


@given(UNNAMED | NAMED, UNNAMED | NAMED, st.data())
def test_waiting_delivery_never_goes_to_another_destination(
    old: list[tuple[str | None, str]], new: list[tuple[str | None, str]], data: st.DataObject
) -> None:
    own, newer = destinations(*old), destinations(*new)
    index = data.draw(st.integers(0, len(own) - 1))
    number, found = counterpart(own, index, newer)
    assert found.name == own[index].name
    if found.name:
        named = [each for each in newer if each.name == found.name]
        assert found == (named[0] if named else own[index])
    elif len(own) == len(newer) and newer[index].name is None:
        assert (number, found) == (index, newer[index])
    else:
        assert (number, found) == (index, own[index])
