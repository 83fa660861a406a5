"""Files: announced, uploaded with a signed form, used by messages, deleted with their conversation."""

import base64
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from millrace.api.conversation_app import create_app
from millrace.domain.files import UNUSED_SECONDS
from millrace.services.runs.platform import Platform
from millrace.stores.connect import Stores
from tests.api.talk import STREAM, error_of
from tests.aws import Aws
from tests.serving import served
from tests.sse import answer, read_events
from tests.tokens import Issuer

MESSAGES = "/api/conversations/c1/messages"
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def png(extra: int = 0, side: int = 1) -> bytes:
    """A whole gray PNG, with so many bytes of padding."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = chunk(b"IHDR", 2 * side.to_bytes(4) + b"\x08\0\0\0\0")
    pixels = chunk(b"IDAT", zlib.compress((b"\0" + b"\x60" * side) * side))
    padding = chunk(b"tEXt", b"x\0" + b"y" * extra) if extra else b""
    return b"\x89PNG\r\n\x1a\n" + header + padding + pixels + chunk(b"IEND", b"")


def announce(chat: httpx.Client, data: bytes, media_type: str, name: str = "a file") -> dict[str, Any]:
    created = chat.post("/api/files", json={"name": name, "mediaType": media_type, "size": len(data)})
    assert created.status_code == 201, created.text
    found: dict[str, Any] = created.json()
    return found


def post_form(announced: dict[str, Any], data: bytes, **more: str) -> httpx.Response:
    """Sends the form as a browser does, to S3 itself."""
    form = announced["upload"]
    return httpx.post(form["url"], data=form["fields"] | more, files={"file": ("blob", data)}, timeout=60)


def upload(chat: httpx.Client, data: bytes, media_type: str, name: str = "a file") -> str:
    announced = announce(chat, data, media_type, name)
    posted = post_form(announced, data)
    assert posted.status_code == 204, posted.text
    file_id: str = announced["fileId"]
    return file_id


def send(chat: httpx.Client, *parts: dict[str, Any], to: str = MESSAGES, **more: Any) -> httpx.Response:
    return chat.post(to, json={"agentId": "echo", "content": list(parts)} | more)


def image(file_id: str) -> dict[str, Any]:
    return {"type": "image", "fileId": file_id}


@pytest.fixture
def bucket(aws: Aws) -> str:
    return aws.deployment.resources["FilesBucket"]


def keys(aws: Aws, bucket: str, organization: str) -> list[str]:
    found = aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return sorted(one["Key"] for one in found if f"/{organization}/" in one["Key"])


def another_user(chat: httpx.Client, issuer: Issuer, organization: str, user: str) -> httpx.Client:
    return httpx.Client(
        base_url=chat.base_url, headers=issuer.user(organization, user, "customer"), timeout=30
    )


def test_uploaded_image_is_used_by_a_message_and_downloaded_again(chat: httpx.Client) -> None:
    data = png()
    file_id = upload(chat, data, "image/png", "cat.png")
    assert send(chat, {"type": "text", "text": "hello"}, image(file_id)).status_code == 200
    [_, block] = chat.get(MESSAGES).json()["items"][0]["content"]
    assert block == {
        "image": {"fileId": file_id, "mediaType": "image/png", "name": "cat.png", "size": len(data)}
    }
    about = chat.get(f"/api/files/{file_id}").json()
    assert (about["conversationId"], about["expiresAt"]) == ("c1", None)
    downloaded = httpx.get(about["downloadUrl"])
    assert downloaded.content == data
    assert downloaded.headers["content-type"] == "image/png"
    assert downloaded.headers["content-disposition"] == 'attachment; filename="cat.png"'


def test_twenty_megabytes_pass_by_the_function(chat: httpx.Client) -> None:
    data = png(extra=20_000_000)
    file_id = upload(chat, data, "image/png")
    about = chat.get(f"/api/files/{file_id}").json()
    assert about["size"] == len(data)
    assert httpx.get(about["downloadUrl"], timeout=60).content == data


@pytest.mark.parametrize("change", ["larger", "smaller", "other type", "other key"])
def test_form_takes_nothing_but_the_announced_file(chat: httpx.Client, change: str) -> None:
    data = png(extra=100)
    announced = announce(chat, data, "image/png")
    more: dict[str, str] = {}
    if change == "larger":
        data += b"x"
    elif change == "smaller":
        data = data[:-1]
    elif change == "other type":
        more = {"Content-Type": "text/html"}
    else:
        more = {"key": announced["upload"]["fields"]["key"] + "x"}
    assert post_form(announced, data, **more).status_code in (400, 403)
    assert error_of(send(chat, image(announced["fileId"]))) == (409, "file_not_uploaded")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"mediaType": "image/svg+xml"}, 422, "invalid_request"),
        ({"mediaType": "text/html"}, 422, "invalid_request"),
        ({"size": 0}, 422, "invalid_request"),
        ({"size": 25_000_001}, 413, "file_too_large"),
        ({"size": 1_000_001, "mediaType": "text/plain"}, 413, "file_too_large"),
        ({"name": "a\nb"}, 422, "invalid_request"),
        ({"name": ""}, 422, "invalid_request"),
    ],
)
def test_file_that_could_never_be_used_is_not_announced(
    chat: httpx.Client, body: dict[str, Any], status: int, code: str
) -> None:
    refused = chat.post("/api/files", json={"name": "a", "mediaType": "image/png", "size": 10} | body)
    assert error_of(refused) == (status, code)
    assert chat.get("/api/files").json()["items"] == []


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a" + b"\0" * 40,
        b"PK\3\4" + b"\0" * 40,
    ],
    ids=["svg", "html", "gif", "zip"],
)
def test_bytes_of_another_type_than_announced_are_refused(chat: httpx.Client, data: bytes) -> None:
    file_id = upload(chat, data, "image/png")
    assert error_of(send(chat, image(file_id))) == (415, "media_type_refused")
    assert chat.get(MESSAGES).status_code == 404
    inline = {"type": "image", "data": base64.b64encode(data).decode(), "mediaType": "image/png"}
    assert error_of(send(chat, inline)) == (415, "media_type_refused")


def test_html_that_calls_itself_text_is_refused(chat: httpx.Client) -> None:
    file_id = upload(chat, b" <HTML><script>alert(1)</script>", "text/plain")
    assert error_of(send(chat, {"type": "file", "fileId": file_id})) == (415, "media_type_refused")


def test_file_is_nobody_elses(chat: httpx.Client, issuer: Issuer, organization: str) -> None:
    used, unused = upload(chat, png(), "image/png"), upload(chat, png(), "image/png")
    send(chat, image(used))
    for other in (
        another_user(chat, issuer, organization, "somebody else"),
        another_user(chat, issuer, f"{organization}-x", "user-1"),
    ):
        with other:
            for file_id in (used, unused):
                assert error_of(other.get(f"/api/files/{file_id}")) == (404, "file_not_found")
                assert error_of(other.delete(f"/api/files/{file_id}")) == (404, "file_not_found")
                refused = send(other, image(file_id), to="/api/conversations/other/messages")
                assert error_of(refused) == (404, "file_not_found")
            assert other.get("/api/files").json()["items"] == []
    assert httpx.get(chat.get(f"/api/files/{used}").json()["downloadUrl"]).content == png()


def test_reader_of_a_shared_conversation_may_see_its_files(
    chat: httpx.Client, issuer: Issuer, organization: str
) -> None:
    file_id = upload(chat, png(), "image/png")
    send(chat, image(file_id))
    chat.post("/api/conversations/c1/shares", json={"userId": "friend"})
    with another_user(chat, issuer, organization, "friend") as friend:
        assert friend.get(f"/api/files/{file_id}").status_code == 200
        assert error_of(friend.delete(f"/api/files/{file_id}")) == (404, "file_not_found")


def test_file_of_one_conversation_is_not_used_in_another(chat: httpx.Client) -> None:
    file_id = upload(chat, png(), "image/png")
    assert send(chat, image(file_id)).status_code == 200
    assert send(chat, image(file_id), threadId="t1").status_code == 200
    other = send(chat, image(file_id), to="/api/conversations/c2/messages")
    assert error_of(other) == (409, "file_in_use")


def test_upload_after_the_check_changes_nothing(chat: httpx.Client) -> None:
    first = png(extra=10)
    announced = announce(chat, first, "image/png")
    post_form(announced, first)
    assert send(chat, image(announced["fileId"])).status_code == 200
    hostile = b"<svg onload='alert(1)'>".ljust(len(first))
    assert post_form(announced, hostile).status_code == 204
    about = chat.get(f"/api/files/{announced['fileId']}").json()
    assert httpx.get(about["downloadUrl"]).content == first


def test_deleted_conversation_leaves_nothing_in_the_bucket(
    chat: httpx.Client, aws: Aws, bucket: str, organization: str
) -> None:
    used = upload(chat, png(), "image/png")
    inline = {"type": "file", "data": base64.b64encode(PDF).decode(), "mediaType": "application/pdf"}
    assert send(chat, image(used), inline).status_code == 200
    assert send(chat, inline | {"name": "again.pdf"}, threadId="t1").status_code == 200
    kept = [key for key in keys(aws, bucket, organization) if key.startswith("conversations/")]
    assert len(kept) == 2
    assert chat.delete("/api/conversations/c1").status_code == 204
    left = keys(aws, bucket, organization)
    # The upload itself is the bucket's to delete: nobody can read it any more.
    assert left == [f"uploads/{organization}/{used}"]
    assert chat.get("/api/files").json()["items"] == []
    assert error_of(chat.get(f"/api/files/{used}")) == (404, "file_not_found")


def test_files_are_listed_by_pages_latest_first(chat: httpx.Client) -> None:
    made = [announce(chat, b"x", "text/plain", f"{n}.txt")["fileId"] for n in range(5)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = chat.get("/api/files", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        assert len(page["items"]) <= 2
        seen += [one["fileId"] for one in page["items"]]
        cursor = page["nextCursor"]
    assert seen == made[::-1]
    assert error_of(chat.get("/api/files", params={"cursor": "nonsense"})) == (422, "invalid_cursor")


def test_deleted_file_leaves_a_note_in_its_message(chat: httpx.Client) -> None:
    file_id = upload(chat, png(), "image/png", "cat.png")
    send(chat, {"type": "text", "text": "hello"}, image(file_id))
    assert chat.delete(f"/api/files/{file_id}").status_code == 204
    assert error_of(chat.get(f"/api/files/{file_id}")) == (404, "file_not_found")
    with chat.stream("POST", MESSAGES, json={"content": "again"}, headers=STREAM) as response:
        assert answer(list(read_events(response.iter_lines()))) == "again"


@pytest.fixture
def small_quota(platform: Platform, issuer: Issuer, organization: str) -> Iterator[httpx.Client]:
    settings = replace(platform.settings, file_quota_mb="1")
    with served(create_app(settings, Platform.make(settings))) as url:
        with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
            yield client


def test_quota_holds_whoever_announces_at_once(small_quota: httpx.Client) -> None:
    body = {"name": "a", "mediaType": "image/png", "size": 300_000}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: small_quota.post("/api/files", json=body), range(6)))
    statuses = sorted(one.status_code for one in answers)
    assert statuses.count(201) == 3, statuses
    assert all(error_of(one) == (429, "limit_reached") for one in answers if one.status_code == 429)
    first = small_quota.get("/api/files").json()["items"][0]["fileId"]
    assert small_quota.delete(f"/api/files/{first}").status_code == 204
    assert small_quota.post("/api/files", json=body).status_code == 201


async def test_unused_file_expires_and_leaves_the_quota(platform: Platform, organization: str) -> None:
    from millrace.domain.files import StoredFile

    now = [platform.stores.clock()]
    settings = replace(platform.settings, file_quota_mb="1")
    stores = Stores.connect(settings, platform.stores.aws, lambda: now[0])
    file = StoredFile("file_1", organization, "user", "a", "image/png", 1_000_000, now[0])
    await stores.files.create(file)
    now[0] += UNUSED_SECONDS * 1000
    assert await stores.files.find(organization, "file_1") is None
    now[0] += 24 * 3600 * 1000
    await stores.files.create(replace(file, id="file_2", created_ms=now[0]))


def test_model_gets_the_bytes_again_in_later_turns_and_none_that_it_does_not_take(
    chat: httpx.Client, management: httpx.Client
) -> None:
    data = png(extra=1000)
    inline = {"type": "image", "data": base64.b64encode(data).decode(), "mediaType": "image/png"}
    said = send(chat, {"type": "text", "text": "hello"}, inline).json()["content"]
    assert said == f"hello\n[image: image.png] image/png {len(data)} bytes"
    refused = send(chat, inline, to="/api/conversations/c2/messages", agentId="demo")
    assert error_of(refused) == (422, "attachment_not_accepted")
    assert "demo:" in refused.json()["error"]["message"]
    assert chat.get("/api/conversations/c2/messages").status_code == 404
    # Another model goes on in the conversation, without what it does not take.
    again = chat.post(MESSAGES, json={"agentId": "demo", "content": "What is 2 + 3?"})
    assert again.status_code == 200
    assert "5" in again.json()["content"]
