"""Exports: everything that an erasure deletes is exported before, or is listed with the reason why not."""

import asyncio
import io
import json
import zipfile
from typing import Any

import httpx
import pytest

from millrace.domain.erasures import ORGANIZATION_STEPS as ERASED_OF_ORGANIZATION
from millrace.domain.erasures import QUIET_MS
from millrace.domain.erasures import USER_STEPS as ERASED_OF_USER
from millrace.domain.exports import EXCLUDED, KEPT_MS, ORGANIZATION_STEPS, USER_STEPS, Export
from millrace.services.exports import sweep
from millrace.services.exports.archive import Archive, safe_name
from millrace.services.runs.platform import Platform
from millrace.stores.remains import TABLES
from tests.api.talk import error_of, say
from tests.api.worlds import Key, World, fill, make_world
from tests.aws import Aws
from tests.tokens import Issuer

SECRET_NAMES = ("sealed", "secretHash", "previousHash")


@pytest.fixture
def world(platform: Platform, aws: Aws) -> World:
    return make_world(platform, aws)


class Downloaded:
    """All parts of an export."""

    def __init__(self) -> None:
        self.records: dict[str, list[dict[str, Any]]] = {}
        self.files: dict[str, bytes] = {}
        self.about: list[dict[str, Any]] = []
        self.text = ""

    def add(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            for name in archive.namelist():
                self._add(name, archive.read(name))

    def _add(self, name: str, content: bytes) -> None:
        if name == "about.json":
            self.about.append(json.loads(content))
        elif name.endswith(".jsonl"):
            self.text += content.decode()
            lines = [json.loads(line) for line in content.splitlines()]
            self.records.setdefault(name.removesuffix(".jsonl"), []).extend(lines)
        else:
            self.files[name] = content

    def keys(self) -> set[Key]:
        return {
            (f"{kind}_table", one["pk"], one.get("sk", ""))
            for kind, records in self.records.items()
            for one in records
            if "pk" in one
        }


def begin(management: httpx.Client, **subject: str) -> dict[str, Any]:
    answer = management.post("/api/exports", json=subject)
    assert answer.status_code == 202, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/exports/{made['id']}"
    return made


def download(management: httpx.Client, export_id: str, limit: int = 50) -> Downloaded:
    found, query = Downloaded(), dict[str, Any](limit=limit)
    while True:
        page = management.get(f"/api/exports/{export_id}/parts", params=query).json()
        for part in page["items"]:
            answer = httpx.get(part["downloadUrl"])
            assert answer.status_code == 200, answer.text
            assert len(answer.content) == part["size"]
            assert part["name"] in answer.headers["content-disposition"]
            found.add(answer.content)
        if not page["nextCursor"]:
            return found
        query["cursor"] = page["nextCursor"]


def is_left_out(key: Key) -> bool:
    table, pk, _ = key
    return table == "tickets_table" or pk.startswith("SECRET#") or pk in ("#exports", "#erasures")


def test_every_step_of_an_erasure_has_its_counterpart_in_an_export() -> None:
    # An export does not wait, needs no schedules (pipelines have them), and has no other exports.
    assert set(ERASED_OF_USER) - {"exports"} <= set(USER_STEPS)
    assert set(ERASED_OF_ORGANIZATION) - {"conversations", "schedules", "quiet"} <= set(ORGANIZATION_STEPS)


def test_whatever_is_erased_of_an_organization_its_export_has(
    world: World, chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    fill(world, chat, management, organization, 1)
    neighbor, admin = f"{organization}0", dict(management.headers)
    chat.headers.update(issuer.headers(neighbor))
    management.headers.update(issuer.headers(neighbor))
    fill(world, chat, management, neighbor, 2)
    management.headers.update(admin)
    before, objects = world.keys(organization), world.objects(organization)

    made = begin(management, organization=organization)
    assert (made["state"], made["userId"], made["parts"]) == ("running", None, 0)
    world.export()
    shown = management.get(f"/api/exports/{made['id']}").json()
    assert shown["state"] == "done"
    assert shown["items"] > len(TABLES)
    got = download(management, made["id"])

    assert management.post("/api/erasures", json={"organization": organization}).status_code == 202
    world.sweep(3)
    world.sweep(3, QUIET_MS + 60_000)
    erased = before - world.keys(organization)
    assert {key[0] for key in erased} == set(TABLES), "every table had something"
    assert {key for key in erased - got.keys() if not is_left_out(key)} == set()
    # The limits and stops, which go last of all.
    assert any(one["pk"] == f"{organization}#CONTROL" for one in got.records["limits"])
    gone = [key for key in objects if neighbor not in key]
    assert {name.partition("/")[2] for name in got.files} == set(gone)
    assert set(got.files.values()) == {b"abc"}
    assert neighbor not in got.text
    assert got.about[0]["leftOut"] == EXCLUDED
    assert world.objects(organization) == [key for key in world.objects(neighbor)], "exports went as well"


def test_export_tells_no_secret(
    world: World, chat: httpx.Client, management: httpx.Client, organization: str
) -> None:
    secret = management.post("/api/keys", json={"name": "S", "scopes": ["chat"]}).json()["secret"]
    token = {"authorization": "Bearer topsecret"}
    server = {"name": "s", "url": "https://mcp.example/x?key=topsecret", "headers": token}
    agent = {"id": "helper", "name": "Helper", "instructions": "Help.", "mcpServers": [server]}
    assert management.post("/api/agents", json=agent).status_code == 201
    made = begin(management, organization=organization)
    world.export()
    got = download(management, made["id"])
    [stored] = [one for one in got.records["agents"] if one["sk"] == "helper"]
    [shown] = stored["body"]["mcpServers"]
    assert shown["headers"]["authorization"] == "[hidden]"
    assert shown["url"].startswith("https://mcp.example/x")
    assert got.records["api_keys"]
    for text in (secret, "topsecret", "sealed:"):
        assert text not in got.text
    assert not any(name in one for one in got.records["api_keys"] for name in SECRET_NAMES)


def fill_user(
    world: World, chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> str:
    """Leave everything that an erasure of a user deletes; the id of a large file."""
    most = {"costPerDay": 5, "concurrentRuns": 5, "requestsPerMinute": 99, "conversations": 9}
    management.patch("/api/limits", json={"user": most})
    say(chat, "what others say", conversation="others")
    say(chat, "not the subject's", conversation="shared")
    chat.post("/api/conversations/shared/shares", json={"userId": "subject", "access": "write"})
    chat.headers.update(issuer.user(organization, "subject", "customer"))
    say(chat, "words of the subject", conversation="shared")
    say(chat, "/echo tools=1 think=0\nmy life", conversation="own")
    say(chat, "x" * 100_000, conversation="long")
    made = chat.post("/api/files", json={"name": "a.txt", "mediaType": "text/plain", "size": 3}).json()
    key = f"uploads/{organization}/{made['fileId']}"
    world.aws.client("s3").put_object(Bucket=world.settings.files_bucket, Key=key, Body=b"abc")
    remembered = world.stores.memories.put(organization, "subject", "echo", "m1", "likes tea")
    asyncio.run(_awaited(remembered))
    chat.headers.update(issuer.headers(organization))
    return str(made["fileId"])


async def _awaited(work: Any) -> Any:
    return await work


def test_whatever_is_erased_of_a_user_their_export_has(
    world: World, chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    file_id = fill_user(world, chat, management, issuer, organization)
    before = world.keys(organization)
    made = begin(management, userId="subject")
    world.export()
    got = download(management, made["id"])
    assert got.files == {f"files/{file_id}/a.txt": b"abc"}
    assert "my life" in got.text
    assert "x" * 100_000 in got.text, "long messages are whole"
    assert "likes tea" in got.text
    # Of what is shared with the user: that it is, and the user's own words.
    assert "words of the subject" in got.text
    assert "what others say" not in got.text
    assert "not the subject's" not in got.text
    assert got.records["audit"]

    management.post("/api/erasures", json={"userId": "subject"})
    world.sweep(3)
    erased = before - world.keys(organization)
    parts = {key for key in erased if key[2].startswith("C#")}
    lists = {key for key in erased if key[0] == "memories_table" and key[1] != f"{organization}#subject"}
    assert len(erased) > 20
    assert parts
    assert {key for key in erased - got.keys() - parts - lists if not is_left_out(key)} == set()
    # The erasure takes the export with it.
    assert error_of(management.get(f"/api/exports/{made['id']}")) == (404, "export_not_found")
    world.export(1)
    assert not any(made["id"] in key for key in world.objects(organization))
    assert not any(
        made["id"] in one for one in world.items(organization).get("limits_table", []) if "#EXPORT#" in one
    )


def test_export_in_many_parts_has_everything_once(
    world: World,
    chat: httpx.Client,
    management: httpx.Client,
    issuer: Issuer,
    organization: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill_user(world, chat, management, issuer, organization)
    made = begin(management, userId="subject")
    with monkeypatch.context() as patched:
        patched.setattr(sweep, "PART_BYTES", 1)
        world.export()
    shown = management.get(f"/api/exports/{made['id']}").json()
    assert shown["state"] == "done"
    assert shown["parts"] > 5
    small = download(management, made["id"], limit=3)
    assert [one["part"] for one in small.about] == list(range(1, shown["parts"] + 1))
    again = begin(management, userId="subject")
    assert again["id"] != made["id"]
    world.export()
    assert management.get(f"/api/exports/{again['id']}").json()["parts"] == 1
    whole = download(management, again["id"])
    assert small.keys() == {key for key in whole.keys() if key[0] != "audit_table"}
    messages = [one["sk"] for one in small.records["conversations"] if one["pk"] == f"{organization}#own"]
    assert len(messages) == len(set(messages))


class Killed(Exception):
    """The process is gone."""


def test_export_that_dies_anywhere_is_finished_by_later_sweeps(
    world: World,
    chat: httpx.Client,
    management: httpx.Client,
    issuer: Issuer,
    organization: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill_user(world, chat, management, issuer, organization)
    before = world.keys(organization)
    made = begin(management, userId="subject")
    call, died, count = type(world.stores.aws).call, set[int](), 0
    deaths = {3, 9, 20, 31, 47, 66}

    async def dying(self: Any, service: str, operation: str, **given: Any) -> Any:
        nonlocal count
        answer = await call(self, service, operation, **given)
        count += 1
        if count in deaths:
            died.add(count)
            raise Killed  # behind what was done
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(type(world.stores.aws), "call", dying)
        patched.setattr(sweep, "PART_BYTES", 1000)
        for _ in range(12):
            world.now[0] += 60_000
            world.export(1)
    assert died, "it died at least once"
    assert management.get(f"/api/exports/{made['id']}").json()["state"] == "done"
    got = download(management, made["id"])
    management.post("/api/erasures", json={"userId": "subject"})
    world.sweep(3)
    erased = {key for key in before - world.keys(organization) if not key[2].startswith("C#")}
    missing = {key for key in erased - got.keys() if not is_left_out(key)}
    assert {
        key for key in missing if key[1] == f"{organization}#subject" or key[0] != "memories_table"
    } == set()


def test_export_that_was_asked_for_twice_is_one_and_can_be_canceled(
    world: World, chat: httpx.Client, management: httpx.Client, issuer: Issuer, organization: str
) -> None:
    first = begin(management, userId="u")
    assert begin(management, userId="u") == first
    assert [one["id"] for one in management.get("/api/exports").json()["items"]] == [first["id"]]
    path = f"/api/exports/{first['id']}"
    stranger = issuer.headers(f"{organization}9")
    for method, end in (("GET", ""), ("GET", "/parts"), ("DELETE", "")):
        answer = management.request(method, path + end, headers=stranger)
        assert error_of(answer) == (404, "export_not_found")
    assert management.delete(path).status_code == 204
    assert error_of(management.get(path)) == (404, "export_not_found")
    assert error_of(management.delete(path)) == (404, "export_not_found")
    assert management.get("/api/exports").json()["items"] == []
    second = begin(management, userId="u")
    assert second["id"] != first["id"]
    world.export()
    assert management.get(f"/api/exports/{second['id']}").json()["state"] == "done"
    assert not any(first["id"] in key for key in world.objects(organization))


async def test_process_that_lost_an_export_stores_nothing_of_it(world: World, organization: str) -> None:
    store = world.stores.exports
    made = Export("export_1", organization, "u", "admin", world.now[0])
    await store.begin(made, 0)
    taken = await store.claim(made)
    assert taken is not None
    assert await store.claim(made) is None
    assert [one for one in await store.unfinished() if one.organization == organization] == []
    await store.mark_deleted(taken)
    assert await sweep.Exporter(world.stores, taken).run() is None
    assert await store.parts(taken, 10, 0) == ([], None)


def test_download_of_an_export_is_noted_and_ends_with_it(
    world: World, management: httpx.Client, organization: str
) -> None:
    made = begin(management, userId="nobody")
    world.export(2)
    parts = f"/api/exports/{made['id']}/parts"
    answer = management.get(parts)
    assert answer.headers["cache-control"] == "no-store"
    [part] = answer.json()["items"]
    assert "X-Amz-Expires=900" in part["downloadUrl"]
    noted = management.get("/api/audit", params={"kind": "access"}).json()["items"]
    assert [(one["action"], one["target"]) for one in noted] == [
        ("GET /api/exports/{export_id}/parts", {"exportId": made["id"]})
    ]
    begun = management.get("/api/audit", params={"action": "POST /api/exports"}).json()["items"]
    assert [one["created"] for one in begun] == [f"/api/exports/{made['id']}"]
    expired = world.stores.exports
    world.now[0] += KEPT_MS + 60_000
    assert asyncio.run(_awaited(expired.all(organization))) == []


@pytest.mark.parametrize(
    "body", [{}, {"organization": "another"}, {"userId": "u", "organization": "o"}, {"userId": ""}]
)
def test_export_of_what_is_not_named_is_refused(management: httpx.Client, body: dict[str, Any]) -> None:
    assert management.post("/api/exports", json=body).status_code == 422
    assert management.get("/api/exports").json()["items"] == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("files/f1/a.txt", "files/f1/a.txt"),
        ("files/../../etc/passwd", "files/__/__/etc/passwd"),
        ("files//./C:\\x\ny", "files/_/C__x_y"),
        ("/root", "root"),
    ],
)
def test_names_stay_within_the_archive(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_archive_keeps_files_of_one_name_apart() -> None:
    with Archive() as archive:
        archive.add_file("files/a.txt", io.BytesIO(b"1"))
        archive.add_file("files/a.txt", io.BytesIO(b"2"))
        file, size = archive.finish({})
        content = file.read()
    assert len(content) == size
    with zipfile.ZipFile(io.BytesIO(content)) as read:
        assert [read.read(name) for name in ("files/a.txt", "files/a-2.txt")] == [b"1", b"2"]
