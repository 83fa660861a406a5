"""Circuits, buckets and marks with many concurrent writers."""

import asyncio
from collections.abc import Iterator

import pytest

from millrace.domain.token_bucket import Rate, SlotRequest
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.delivery_state import DeliveryState, DestinationKey
from millrace.stores.dynamo import Dynamo
from tests.aws import Aws
from tests.services.delivery.delivering import resources

PLACE = DestinationKey("acme", "pipe", "0-abc")


class Clock:
    now = 1_790_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(aws_environment: Aws, clock: Clock) -> Iterator[DeliveryState]:
    with resources(aws_environment) as made:
        aws = AwsClients(aws_environment.region)
        yield DeliveryState(Dynamo(aws), made["DELIVERY_TABLE"], clock)
        aws.close()


async def test_many_at_once_get_no_more_tokens_than_there_are(state: DeliveryState) -> None:
    request = SlotRequest(1, 1, ends=float("inf"))
    grants = await asyncio.gather(*(state.reserve(PLACE, Rate(1, 5), request) for _ in range(24)))
    slots = sorted(slot for grant in grants for slot in grant.slots)
    assert 1 <= len(slots) <= 10
    assert len(set(slots[4:])) == len(slots[4:]), "after the burst no two have the same"


async def test_probe_is_given_to_one_of_many(state: DeliveryState, clock: Clock) -> None:
    await state.count(PLACE, 0, 20)
    clock.now += 15_000
    verdicts = [each.verdict for each in await asyncio.gather(*(state.admit(PLACE) for _ in range(12)))]
    assert verdicts.count("probe") == 1
    assert verdicts.count("wait") == 11


async def test_event_is_claimed_by_one_of_many(state: DeliveryState, clock: Clock) -> None:
    claims = await asyncio.gather(*(state.claim(PLACE, "e1") for _ in range(12)))
    assert sorted(claims) == ["busy"] * 11 + ["claimed"]
    await state.sent(PLACE, "e1")
    clock.now += 3_600_000
    assert await state.claim(PLACE, "e1") == "sent"


async def test_mark_holds_for_a_day_whether_or_not_it_is_deleted_then(
    state: DeliveryState, clock: Clock
) -> None:
    await state.claim(PLACE, "e1")
    await state.sent(PLACE, "e1")
    clock.now += 24 * 3_600_000 + 1_000
    assert await state.claim(PLACE, "e1") == "claimed"


async def test_claim_that_is_taken_back_is_free(state: DeliveryState) -> None:
    assert await state.claim(PLACE, "e1") == "claimed"
    await state.release(PLACE, "e1")
    assert await state.claim(PLACE, "e1") == "claimed"


async def test_places_do_not_share(state: DeliveryState) -> None:
    await state.disable(PLACE)
    for other in (
        DestinationKey("acme", "pipe", "0-def"),
        DestinationKey("acme", "other", "0-abc"),
        DestinationKey("b", "pipe", "0-abc"),
    ):
        assert (await state.admit(other)).verdict == "go"
    assert (await state.circuit(PLACE)).disabled
    await state.enable(PLACE)
    assert (await state.admit(PLACE)).verdict == "go"


async def test_destination_stays_disabled_until_somebody_enables_it(
    state: DeliveryState, clock: Clock
) -> None:
    await state.disable(PLACE, "gone")
    first = await state.circuit(PLACE)
    clock.now += 1_000
    await state.disable(PLACE, "again")
    await state.count(PLACE, 5, 5)
    assert await state.circuit(PLACE) == first
    assert (first.reason, first.since) == ("gone", clock.now - 1_000)
    (item,) = await state._dynamo.query(state._table, "pk = :pk", pk=PLACE.partition)
    assert item["expiresAt"] > clock.now // 1000 + 365 * 24 * 3600
