import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from millrace.errors import InvalidRequest, NotFound, TooManyRequests
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.dynamo import Dynamo, put
from millrace.stores.sealing import Sealer
from millrace.stores.secrets import Secret, SecretStore
from tests.aws import Aws
from tests.services.delivery.delivering import resources

HOSTS = ("api.example.com",)


class Stores:
    def __init__(self, environ: dict[str, str]) -> None:
        self.aws = AwsClients(environ["AWS_REGION"])
        self.dynamo = Dynamo(self.aws)
        self.table, self.key = environ["SECRETS_TABLE"], environ["SECRETS_KEY_ID"]
        self.secrets = self.fresh()

    def fresh(self) -> SecretStore:
        """As another process has it: with nothing cached."""
        return SecretStore(self.aws, self.dynamo, self.table, self.key)


@pytest.fixture
def stores(aws_environment: Aws) -> Iterator[Stores]:
    with resources(aws_environment) as made:
        found = Stores(aws_environment.environ | made)
        yield found
        found.aws.close()


async def test_secret_is_read_back_by_its_organization_only(stores: Stores) -> None:
    await stores.secrets.put("one", Secret("KEY", "a-secret-value", HOSTS), 5)
    assert (await stores.fresh().read("one", {"KEY", "OTHER"}))["KEY"].value == "a-secret-value"
    assert await stores.fresh().read("two", {"KEY"}) == {}


async def test_table_holds_no_value_and_nothing_shows_one(stores: Stores) -> None:
    info = await stores.secrets.put("one", Secret("KEY", "a-secret-value", HOSTS), 5)
    item = await stores.dynamo.get(stores.table, {"pk": "one", "sk": "KEY"})
    shown = [item, info, await stores.secrets.page("one"), await stores.fresh().read("one", {"KEY"})]
    assert "a-secret-value" not in repr(shown)
    assert (info.name, info.hosts, info.updated_at) == ("KEY", HOSTS, 5)


async def test_replaced_secret_counts_at_once_in_every_process(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redrive right after a correction uses the new value; KMS is asked once for each value."""
    sender, opened = stores.fresh(), 0
    unseal = Sealer.unseal

    async def counted(self: Sealer, *given: Any) -> Any:
        nonlocal opened
        opened += 1
        return await unseal(self, *given)

    monkeypatch.setattr(Sealer, "unseal", counted)
    for value in ("a-secret-value", "another-value"):
        await stores.secrets.put("one", Secret("KEY", value, HOSTS), 5)
        for _ in range(3):
            assert (await sender.read("one", {"KEY"}))["KEY"].value == value
    assert opened == 2
    await stores.secrets.put("one", Secret("KEY", "another-value", ("b.example.com",)), 5)
    assert (await sender.read("one", {"KEY"}))["KEY"].hosts == ("b.example.com",)
    await stores.secrets.delete("one", "KEY")
    assert await sender.read("one", {"KEY"}) == {}


@pytest.mark.parametrize("change", [{"pk": "two"}, {"sk": "OTHER"}, {"hosts": '["evil.example"]'}])
async def test_item_moved_or_bound_anew_in_the_table_does_not_open(
    stores: Stores, change: dict[str, str]
) -> None:
    await stores.secrets.put("one", Secret("KEY", "a-secret-value", HOSTS), 5)
    item = await stores.dynamo.get(stores.table, {"pk": "one", "sk": "KEY"})
    assert item
    moved = item | change
    await stores.dynamo.write(put(stores.table, moved))
    assert await stores.fresh().read(moved["pk"], {moved["sk"]}) == {}


async def test_secret_can_be_replaced_and_deleted(stores: Stores) -> None:
    await stores.secrets.put("one", Secret("KEY", "a-secret-value", HOSTS), 5)
    await stores.secrets.put("one", Secret("KEY", "another-value", ("*.Example.com",)), 6)
    assert (await stores.secrets.read("one", {"KEY"}))["KEY"].value == "another-value"
    assert await stores.secrets.names("one") == {"KEY": ("*.example.com",)}
    await stores.secrets.delete("one", "KEY")
    assert await stores.secrets.read("one", {"KEY"}) == {}
    with pytest.raises(NotFound):
        await stores.secrets.delete("one", "KEY")


@pytest.mark.parametrize(
    ("name", "value", "hosts"),
    [
        ("", "a-secret-value", HOSTS),
        ("a b", "a-secret-value", HOSTS),
        ("KEY", "", HOSTS),
        ("KEY", "x" * 4_001, HOSTS),
        ("KEY", "ü" * 2_500, HOSTS),
        ("KEY", "two\nlines of it", HOSTS),
        ("KEY", "a-secret-value", ()),
        ("KEY", "a-secret-value", ("*",)),
        ("KEY", "a-secret-value", ("*.com",)),
        ("KEY", "a-secret-value", ("https://example.com",)),
        ("KEY", "a-secret-value", ("a.*.com",)),
        ("KEY", "a-secret-value", tuple(f"h{n}.example" for n in range(21))),
    ],
)
async def test_invalid_secret_is_refused(
    stores: Stores, name: str, value: str, hosts: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidRequest) as error:
        await stores.secrets.put("one", Secret(name, value, hosts), 5)
    assert value not in error.value.message or not value


async def test_concurrent_secrets_are_limited(stores: Stores) -> None:
    organization = f"org-{uuid.uuid4().hex[:12]}"

    refused = list[dict[str, Any]]()

    async def put(name: str) -> bool:
        try:
            await stores.secrets.put(organization, Secret(name, "value", HOSTS), 5, most=3)
        except TooManyRequests as error:
            refused.append(error.details)
            return False
        return True

    assert sum(await asyncio.gather(*(put(f"KEY{number}") for number in range(8)))) == 3
    details = {"level": "organization", "limit": "secrets", "limitValue": 3, "used": 3}
    assert refused == [details] * 5
    [first, *_], _ = await stores.secrets.page(organization)
    assert await put(first.name)  # it replaces what is there
    await stores.secrets.delete(organization, first.name)
    assert await put("ANOTHER")
