"""Both kinds of keys for secrets: sealed values open only with the same key and context."""

import asyncio
import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.errors import Unavailable
from millrace.stores.aws import Aws as AwsClients
from millrace.stores.sealing import LONGEST, Sealer
from millrace.stores.sealing_keys import ParameterKeys
from tests.aws import Aws

CONTEXT = {"purpose": "mcp", "organization": "one", "name": "KEY"}


@pytest.fixture
def clients(aws_environment: Aws) -> Iterator[AwsClients]:
    made = AwsClients(aws_environment.region)
    yield made
    made.close()


@pytest.fixture(params=["kms", "parameters"])
def key_id(request: pytest.FixtureRequest, aws_environment: Aws) -> str:
    if request.param == "kms":
        return str(aws_environment.client("kms").create_key()["KeyMetadata"]["KeyId"])
    return f"/millrace/test-{uuid.uuid4().hex[:12]}"


async def test_sealed_text_opens_in_another_process_with_its_context_only(
    clients: AwsClients, key_id: str
) -> None:
    sealed = await Sealer(clients, key_id).seal("a-secret-value", CONTEXT)
    assert b"a-secret-value" not in sealed
    another = Sealer(clients, key_id)
    assert await another.unseal(sealed, CONTEXT) == "a-secret-value"
    for name in CONTEXT:
        assert await another.unseal(sealed, CONTEXT | {name: "other"}) is None
    assert await another.unseal(b"\x01nonsense", CONTEXT) is None
    if key_id.startswith("/"):  # the emulator's KMS does not authenticate
        assert await another.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), CONTEXT) is None


async def test_longest_secret_is_sealed(clients: AwsClients, key_id: str) -> None:
    sealer, text = Sealer(clients, key_id), "é" * (LONGEST // 2)
    assert await sealer.unseal(await sealer.seal(text, CONTEXT), CONTEXT) == text


async def test_processes_that_make_the_first_key_at_once_share_one(clients: AwsClients) -> None:
    prefix = f"/millrace/race-{uuid.uuid4().hex[:12]}"
    sealed = await asyncio.gather(*(Sealer(clients, prefix).seal(str(n), CONTEXT) for n in range(8)))
    reader = Sealer(clients, prefix)
    assert [await reader.unseal(one, CONTEXT) for one in sealed] == [str(n) for n in range(8)]
    assert len({one[1:9] for one in sealed}) == 1, "one pair is in use"


async def test_crash_after_the_private_key_leaves_secrets_to_be_sealed(
    clients: AwsClients, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"/millrace/crash-{uuid.uuid4().hex[:12]}"
    write = ParameterKeys._write

    async def dies(self: ParameterKeys, name: str, key: bytes, kind: str) -> None:
        if name.endswith("/public"):
            raise Unavailable("killed")
        await write(self, name, key, kind)

    monkeypatch.setattr(ParameterKeys, "_write", dies)
    with pytest.raises(Unavailable):
        await Sealer(clients, prefix).seal("x", CONTEXT)
    monkeypatch.undo()
    sealed = await Sealer(clients, prefix).seal("x", CONTEXT)
    assert await Sealer(clients, prefix).unseal(sealed, CONTEXT) == "x"


async def test_private_keys_are_secure_strings_that_writers_never_read(
    clients: AwsClients, aws_environment: Aws
) -> None:
    prefix = f"/millrace/kinds-{uuid.uuid4().hex[:12]}"
    asked: list[str] = []
    clients.client("ssm").meta.events.register(
        "provide-client-params.ssm.GetParameter", lambda params, **_: asked.append(params["Name"])
    )
    await Sealer(clients, prefix).seal("x", CONTEXT)
    assert set(asked) == {f"{prefix}/mcp/public"}
    found = aws_environment.client("ssm").get_parameters_by_path(Path=prefix, Recursive=True)["Parameters"]
    kinds = {one["Name"].split("/")[-2 if "private" in one["Name"] else -1]: one["Type"] for one in found}
    assert kinds == {"private": "SecureString", "public": "String"}


async def test_deployment_without_a_key_says_so(clients: AwsClients) -> None:
    with pytest.raises(Unavailable, match="SECRETS_KEY_ID"):
        await Sealer(clients, "").seal("x", {})


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=200), st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_any_text_and_context_are_sealed(text: str, context: dict[str, str]) -> None:
    keys = ParameterKeys.__new__(ParameterKeys)
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    private, id, purpose = X25519PrivateKey.generate(), b"12345678", context.get("purpose", "secrets")
    keys._public = {purpose: (id, private.public_key())}
    keys._private = {(purpose, id): private}

    async def there_and_back() -> bytes | None:
        return await keys.decrypt(await keys.encrypt(text.encode(), context), context)

    assert asyncio.run(there_and_back()) == text.encode()
