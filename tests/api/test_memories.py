"""Users read and delete what agents remember about them."""

import asyncio

import httpx

from millrace.services.runs.platform import Platform
from tests.api.talk import error_of
from tests.tokens import Issuer


def remember(platform: Platform, organization: str, user: str, *ids: str) -> None:
    async def put() -> None:
        for id in ids:
            await platform.stores.memories.put(organization, user, "clerk", id, f"text of {id}")

    asyncio.run(put())


def test_user_pages_through_memories_and_deletes_them(
    chat: httpx.Client, platform: Platform, issuer: Issuer, organization: str
) -> None:
    remember(platform, organization, "ann", "one", "two", "three")
    ann = issuer.user(organization, "ann", "customer")
    first = chat.get("/api/memories?limit=2", headers=ann).json()
    rest = chat.get("/api/memories", params={"limit": 2, "cursor": first["nextCursor"]}, headers=ann).json()
    assert sorted(one["id"] for one in first["items"] + rest["items"]) == ["one", "three", "two"]
    assert first["items"][0]["text"].startswith("text of")
    assert chat.delete("/api/memories/clerk/one", headers=ann).status_code == 204
    assert error_of(chat.delete("/api/memories/clerk/one", headers=ann)) == (404, "memory_not_found")
    assert chat.delete("/api/memories", headers=ann).status_code == 204
    assert chat.get("/api/memories", headers=ann).json() == {"items": [], "nextCursor": None}


def test_memories_of_others_need_the_scope_to_manage(
    chat: httpx.Client, platform: Platform, issuer: Issuer, organization: str
) -> None:
    remember(platform, organization, "ann", "one")
    bob, boss = issuer.user(organization, "bob", "member"), issuer.user(organization, "boss", "operator")
    for method, path in (("GET", ""), ("DELETE", ""), ("DELETE", "/clerk/one")):
        refused = chat.request(method, f"/api/memories{path}?userId=ann", headers=bob)
        assert error_of(refused) == (403, "missing_scope")
    assert chat.get("/api/memories", headers=bob).json()["items"] == []
    assert len(chat.get("/api/memories?userId=ann", headers=boss).json()["items"]) == 1
    assert chat.delete("/api/memories?userId=ann", headers=boss).status_code == 204
    assert chat.get("/api/memories?userId=ann", headers=boss).json()["items"] == []
