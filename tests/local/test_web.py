"""The page's files: compressed as by CloudFront, and sent again only if they have changed."""

import gzip
import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from local.web import WebFiles

SCRIPT = b"export const words = [" + b'"water", ' * 500 + b"];"
GZIP = {"accept-encoding": "gzip, deflate, br"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    for name, content in {
        "index.html": b"<title>page</title>" + b" " * 2000,
        "assets/app-1.js": SCRIPT,
        "assets/small-1.js": b"export {};",
        "assets/letters-1.woff2": bytes(4000),
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def files(folder: Path) -> TestClient:
    return TestClient(WebFiles(folder), headers={"accept-encoding": "identity"})


def test_file_is_compressed_for_who_can_read_it(files: TestClient) -> None:
    with files.stream("GET", "/assets/app-1.js", headers=GZIP) as answer:
        sent = b"".join(answer.iter_raw())
    assert gzip.decompress(sent) == SCRIPT
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) == len(sent) < len(SCRIPT) / 10
    plain = files.get("/assets/app-1.js", headers={"accept-encoding": "br, gzip;q=0"})
    assert "content-encoding" not in plain.headers
    assert plain.content == SCRIPT
    for one in (answer, plain):
        assert one.headers["vary"] == "accept-encoding"
        assert one.headers["content-type"].startswith("text/javascript")
        assert "immutable" in one.headers["cache-control"]
        assert one.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/runs/1"])
def test_page_is_compressed_at_each_of_its_addresses(files: TestClient, path: str) -> None:
    answer = files.get(path, headers=GZIP | {"accept": "text/html"})
    assert (answer.headers["content-encoding"], answer.headers["cache-control"]) == ("gzip", "no-cache")
    assert answer.text.startswith("<title>page</title>")


@pytest.mark.parametrize("path", ["/assets/small-1.js", "/assets/letters-1.woff2"])
def test_incompressible_files_are_sent_as_they_are(files: TestClient, path: str) -> None:
    assert "content-encoding" not in files.get(path, headers=GZIP).headers


def test_part_of_a_file_is_of_its_own_bytes(files: TestClient) -> None:
    answer = files.get("/assets/app-1.js", headers=GZIP | {"range": "bytes=0-5"})
    assert (answer.status_code, answer.content) == (206, b"export")


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_page_is_sent_again_only_when_it_has_changed(files: TestClient, folder: Path, encoding: str) -> None:
    headers = {"accept-encoding": encoding}
    first = files.get("/", headers=headers)
    again = files.get("/", headers=headers | {"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    page = folder / "index.html"
    page.write_bytes(b"<title>newer</title>" + b" " * 2000)
    os.utime(page, ns=(1, page.stat().st_mtime_ns + 1_000_000_000))
    changed = files.get("/", headers=headers | {"if-none-match": first.headers["etag"]})
    assert changed.text.startswith("<title>newer</title>")
    assert changed.headers["etag"] != first.headers["etag"]
