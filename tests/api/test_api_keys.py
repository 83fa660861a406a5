"""API keys: created, used by the official clients, rotated, revoked, and never readable."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from openai import AuthenticationError, OpenAI

from millrace.api.conversation_app import create_app as conversation_app
from millrace.api.management_app import create_app as management_app
from millrace.api.mcp_app import create_app as mcp_app
from millrace.domain.api_keys import hash_of, new_secret, well_formed
from millrace.services.runs.platform import Platform
from millrace.stores import api_keys
from millrace.stores.api_keys import MOST_KEYS, USE_SECONDS, ApiKeyStore
from millrace.stores.dynamo import Dynamo
from tests.api.talk import error_of
from tests.aws import Aws
from tests.serving import served
from tests.tokens import Issuer

DAY_MS = 24 * 3600 * 1000
Json = dict[str, Any]


class Clock:
    """A clock that only tests move."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock(platform: Platform) -> Clock:
    return Clock(platform.stores.clock())


@pytest.fixture
def timed(platform: Platform, clock: Clock) -> Platform:
    """The platform with keys whose time the tests set."""
    keys = ApiKeyStore(Dynamo(platform.stores.aws), platform.settings.api_keys_table, clock)
    return replace(platform, stores=replace(platform.stores, api_keys=keys, clock=clock))


@pytest.fixture
def admin(timed: Platform, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    with served(management_app(timed.settings, timed)) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client


@pytest.fixture
def status_of(admin: httpx.Client) -> Callable[[str], str]:
    """The status and code that a secret gets for a list of agents."""

    def ask(secret: str) -> str:
        answer = admin.get("/api/agents", headers={"authorization": f"Bearer {secret}"})
        return "200" if answer.status_code == 200 else "{} {}".format(*error_of(answer))

    return ask


def created(admin: httpx.Client, *scopes: str, **more: Any) -> Json:
    answer = admin.post("/api/keys", json={"name": "Backend", "scopes": list(scopes or ("chat",))} | more)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made: Json = answer.json()
    return made


def scope_missing(answer: httpx.Response) -> str:
    assert error_of(answer) == (403, "missing_scope")
    return str(answer.json()["error"]["scope"])


def rotated(admin: httpx.Client, key: Json, **given: Any) -> httpx.Response:
    return admin.post(f"/api/keys/{key['id']}/rotate", json=given)


def test_secret_has_a_checksum_that_tells_it_from_other_text() -> None:
    secret = new_secret()
    assert well_formed(secret)
    assert len(secret) == 52
    changed = secret[:10] + ("a" if secret[10] != "a" else "b") + secret[11:]
    assert not any(well_formed(one) for one in (changed, secret[:-1], secret + "a", "mk_", "é" * 52))


def test_secret_is_shown_once_and_stored_nowhere(admin: httpx.Client, aws: Aws) -> None:
    made = created(admin)
    listed = admin.get("/api/keys").json()["items"]
    read = admin.get(f"/api/keys/{made['id']}").json()
    assert listed == [read]
    assert read == {name: value for name, value in made.items() if name != "secret"}
    items = aws.client("dynamodb").scan(TableName=aws.tables["ApiKeysTable"])["Items"]
    assert made["secret"] not in repr(items)
    assert hash_of(made["secret"]) in repr(items)


def test_key_acts_as_a_user_of_its_own_with_its_scopes_only(admin: httpx.Client) -> None:
    with_key = {"authorization": f"Bearer {created(admin, 'agents:read')['secret']}"}
    assert admin.get("/api/agents", headers=with_key).status_code == 200
    refused = admin.get("/api/keys", headers=with_key)
    assert scope_missing(refused) == "organization:manage"


def test_key_never_has_a_scope_that_its_maker_lacks(
    admin: httpx.Client, issuer: Issuer, organization: str
) -> None:
    manager = issuer.headers(organization, scope="organization:manage chat")
    wanted = {"name": "More", "scopes": ["chat", "agents:write"]}
    refused = admin.post("/api/keys", json=wanted, headers=manager)
    assert scope_missing(refused) == "agents:write"
    strong = created(admin, "agents:write")
    refused = admin.post(f"/api/keys/{strong['id']}/rotate", json={}, headers=manager)
    assert scope_missing(refused) == "agents:write"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"name": " ", "scopes": ["chat"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["two words"]},
        {"name": "x", "scopes": ["chat"], "days": 0},
        {"name": "x", "scopes": ["chat"], "days": 366},
        {"name": "x", "scopes": ["chat"], "days": True},
    ],
)
def test_wrong_key_is_refused_and_nothing_stored(admin: httpx.Client, given: Json) -> None:
    assert admin.post("/api/keys", json=given).status_code == 422
    assert admin.get("/api/keys").json()["items"] == []


def test_rotation_leaves_two_secrets_valid_for_its_time(
    admin: httpx.Client, status_of: Callable[[str], str], clock: Clock
) -> None:
    old = created(admin)
    new = rotated(admin, old, overlapHours=1).json()
    assert (new["id"], new["userId"], new["previousStart"]) == (old["id"], old["userId"], old["start"])
    assert [status_of(one["secret"]) for one in (old, new)] == ["200", "200"]
    clock.now += 3_600_000
    assert [status_of(one["secret"]) for one in (old, new)] == ["401 api_key_invalid", "200"]


def test_rotation_without_overlap_ends_the_secret_at_once(
    admin: httpx.Client, status_of: Callable[[str], str]
) -> None:
    old = created(admin)
    new = rotated(admin, old, overlapHours=0).json()
    assert (new["previousStart"], new["previousExpiresAt"]) == (None, None)
    assert [status_of(one["secret"]) for one in (old, new)] == ["401 api_key_invalid", "200"]


def test_second_rotation_ends_no_secret_that_it_was_not_told_to(
    admin: httpx.Client, status_of: Callable[[str], str]
) -> None:
    """The answer to the first may be lost; its repetition must not lock out the servers that work."""
    first = created(admin)
    second = rotated(admin, first).json()
    refused = rotated(admin, first)
    assert error_of(refused) == (409, "rotation_under_way")
    third = rotated(admin, first, keep="previous").json()
    secrets = [one["secret"] for one in (first, second, third)]
    assert [status_of(one) for one in secrets] == ["200", "401 api_key_invalid", "200"]
    fourth = rotated(admin, first, keep="latest").json()
    secrets = [*secrets, fourth["secret"]]
    assert [status_of(one)[:3] for one in secrets] == ["401", "401", "200", "200"]


def test_key_expires_and_its_rotation_brings_it_back(
    admin: httpx.Client, status_of: Callable[[str], str], clock: Clock
) -> None:
    old = created(admin, days=1)
    clock.now += DAY_MS
    assert status_of(old["secret"]) == "401 api_key_invalid"
    new = rotated(admin, old).json()
    assert [status_of(one["secret"])[:3] for one in (old, new)] == ["401", "200"]


def test_revoked_key_is_refused_with_all_its_secrets(
    admin: httpx.Client, status_of: Callable[[str], str]
) -> None:
    old = created(admin)
    new = rotated(admin, old).json()
    assert admin.delete(f"/api/keys/{old['id']}").status_code == 204
    assert {status_of(one["secret"]) for one in (old, new)} == {"401 api_key_invalid"}
    assert admin.get(f"/api/keys/{old['id']}").status_code == 404
    assert admin.delete(f"/api/keys/{old['id']}").status_code == 404


def test_other_process_lets_a_revoked_key_in_for_the_stated_seconds_at_most(
    admin: httpx.Client, timed: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, now = created(admin), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    other = replace(
        timed,
        stores=replace(
            timed.stores,
            api_keys=ApiKeyStore(Dynamo(timed.stores.aws), timed.settings.api_keys_table, timed.stores.clock),
        ),
    )
    with served(management_app(other.settings, other)) as url:
        headers = {"authorization": f"Bearer {made['secret']}"}
        assert httpx.get(f"{url}/api/agents", headers=headers).status_code == 200
        admin.delete(f"/api/keys/{made['id']}")
        now[0] += api_keys.CACHE_SECONDS - 1
        assert httpx.get(f"{url}/api/agents", headers=headers).status_code == 200
        now[0] += 1
        assert httpx.get(f"{url}/api/agents", headers=headers).status_code == 401


@pytest.fixture
def calls(timed: Platform, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of DynamoDB for the table of keys."""
    seen, call = list[str](), timed.stores.aws.call

    async def noted(service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if parameters.get("TableName") == timed.settings.api_keys_table:
            seen.append(operation)
        return await call(service, operation, **parameters)

    monkeypatch.setattr(timed.stores.aws, "call", noted)
    return seen


def test_calls_of_a_key_read_it_once_and_note_its_use_once_an_hour(
    admin: httpx.Client, status_of: Callable[[str], str], clock: Clock, calls: list[str]
) -> None:
    made = created(admin)
    calls.clear()
    assert [status_of(made["secret"]) for _ in range(3)] == ["200"] * 3
    assert calls == ["get_item", "update_item"]
    used = admin.get(f"/api/keys/{made['id']}").json()["lastUsedAt"]
    clock.now += 1000 * USE_SECONDS
    assert status_of(made["secret"]) == "200"
    assert used < admin.get(f"/api/keys/{made['id']}").json()["lastUsedAt"]


def test_text_that_cannot_be_a_key_is_refused_without_a_read(
    status_of: Callable[[str], str], calls: list[str]
) -> None:
    assert {status_of(one) for one in ("mk_", "mk_" + "a" * 49)} == {"401 api_key_invalid"}
    assert calls == []
    assert status_of(new_secret()) == "401 api_key_invalid"
    assert calls == ["get_item"]


def test_keys_of_another_organization_are_not_found(
    admin: httpx.Client, issuer: Issuer, status_of: Callable[[str], str]
) -> None:
    made, other = created(admin), issuer.headers("another")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        body: Json | None = {} if method == "POST" else None
        answer = admin.request(method, f"/api/keys/{made['id']}{path}", headers=other, json=body)
        assert error_of(answer) == (404, "api_key_not_found")
    assert status_of(made["secret"]) == "200"


def test_organization_has_a_most_of_keys(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MOST_KEYS", 2)
    assert MOST_KEYS > 2
    created(admin)
    created(admin)
    refused = admin.post("/api/keys", json={"name": "x", "scopes": ["chat"]})
    assert error_of(refused) == (429, "too_many_keys")
    assert refused.json()["error"]["limit"] == 2


def test_user_of_an_issuer_cannot_have_the_id_of_a_key(
    admin: httpx.Client, issuer: Issuer, organization: str
) -> None:
    made = created(admin)
    refused = admin.get("/api/agents", headers=issuer.headers(organization, sub=made["userId"]))
    assert error_of(refused) == (401, "token_invalid")


def test_key_opens_the_mcp_server(admin: httpx.Client, timed: Platform) -> None:
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    with served(mcp_app(timed.settings, timed)) as url:
        for secret, status in ((created(admin)["secret"], 200), (new_secret(), 401)):
            credential = {"authorization": f"Bearer {secret}"}
            assert httpx.post(f"{url}/mcp", json=body, headers=headers | credential).status_code == status


def test_official_openai_client_takes_a_key_as_its_own(admin: httpx.Client, timed: Platform) -> None:
    made = created(admin)
    with served(conversation_app(timed.settings, timed)) as url:
        client = OpenAI(base_url=f"{url}/v1", api_key=made["secret"], max_retries=0)
        stream = client.chat.completions.create(
            model="agent:echo", messages=[{"role": "user", "content": "good morning"}], stream=True
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert "good morning" in text
        admin.delete(f"/api/keys/{made['id']}")
        with pytest.raises(AuthenticationError):
            client.models.list()
