"""Conformance: the runtime under AWS's own emulator of the Runtime API."""

import asyncio
import base64
import json
from pathlib import Path

import pytest

from tests.runtime.emulator import concurrent_emulator, emulator
from tests.runtime.host import NULS, url_event

pytestmark = pytest.mark.sam
HELLO = "hello wörld".encode()


async def test_emulator_gets_prelude_cookies_and_body(rie: Path, tmp_path: Path) -> None:
    with emulator(rie, "basic.app", tmp_path) as lambda_:
        await lambda_.until_it_listens()
        answer = await lambda_.invoke(url_event())
    prelude = {"statusCode": 200, "headers": {"content-type": "text/plain"}, "cookies": ["a=1", "b=2"]}
    assert answer == json.dumps(prelude, separators=(",", ":")).encode() + NULS + HELLO


async def test_emulator_gets_five_megabytes_byte_for_byte(rie: Path, tmp_path: Path) -> None:
    body = bytes(range(256)) * 14_000
    event = url_event("/echo", method="POST", body=base64.b64encode(body).decode(), isBase64Encoded=True)
    with emulator(rie, "basic.app", tmp_path) as lambda_:
        await lambda_.until_it_listens()
        assert (await lambda_.invoke(event)).partition(NULS)[2] == body
        large = await lambda_.invoke(url_event("/megabytes", query="80"))
    assert large.partition(NULS)[2] == b"x" * 65_536 * 80


async def test_invocations_follow_each_other_after_errors(rie: Path, tmp_path: Path) -> None:
    with emulator(rie, "basic.app", tmp_path) as lambda_:
        await lambda_.until_it_listens()
        raised = json.loads(await lambda_.invoke(url_event("/raises")))
        half = await lambda_.invoke(url_event("/breaks"))
        refused = json.loads(await lambda_.invoke({"direct": "invoke"}))
        nothing = await lambda_.invoke(url_event("/nothing"))
        whole = await lambda_.invoke(url_event())
    assert (raised["errorMessage"], raised["errorType"]) == ("before the first byte", "ValueError")
    assert half.partition(NULS)[2] == b"half"
    assert refused["errorType"] == "Runtime.UnsupportedEvent"
    assert (json.loads(nothing.partition(NULS)[0])["statusCode"], nothing.partition(NULS)[2]) == (204, b"\n")
    assert whole.endswith(HELLO)


async def test_emulator_tells_of_an_error_at_start(rie: Path, tmp_path: Path) -> None:
    with emulator(rie, "broken_import.app", tmp_path) as lambda_:
        await lambda_.until_it_listens()
        answer = json.loads(await lambda_.invoke(url_event()))
    assert answer["errorType"] == "Runtime.ImportModuleError"
    assert "a_module_that_does_not_exist" in answer["errorMessage"]


async def test_emulator_reads_the_trailers_of_concurrent_requests(
    rie: Path, shared_python: str, tmp_path: Path
) -> None:
    with concurrent_emulator(rie, shared_python, tmp_path, count=4) as lambda_:
        await lambda_.until_it_listens()
        paths = ["/", "/breaks", "/", "/breaks"]
        answers = await asyncio.gather(*(lambda_.invoke(url_event(path)) for path in paths))
        after = await lambda_.invoke(url_event())
    for whole in (answers[0], answers[2], after):
        assert whole.endswith(HELLO)
    for broken in (answers[1], answers[3]):
        # The emulator answers with the error of the trailers in place of the body.
        assert json.loads(broken)["errorType"] == "ValueError"
        assert "raise ValueError" in "".join(json.loads(broken)["stackTrace"])
    assert lambda_.output.count("Runtime sent error trailers after response body") == 2
