"""The built-in tools: their table, the cost of importing them, and the two that need more than arithmetic."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from millrace.agent.tools.builtin import BUILT_IN, known_tools
from millrace.agent.tools.http_fetch import PAGE_LIMIT
from millrace.agent.tools.tool import SearchHit
from millrace.agent.tools.toolbox import Toolbox
from millrace.errors import InvalidRequest
from millrace.net.client import guarded_client
from millrace.services.runs.agent_tools import no_sub_agent, own_tools
from millrace.settings import Settings
from tests.agent.tools.contexts import call, context
from tests.net.servers import response, serving


def test_table_and_the_tools_agree() -> None:
    tools = known_tools([*BUILT_IN, "calculator"])
    assert [tool.name for tool in tools] == list(BUILT_IN)
    for tool in tools:
        assert tool.description
        assert all("description" in one for one in tool.parameters["properties"].values())
        assert "context" not in tool.parameters["properties"]


def test_tool_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"telepathy\. The tools are ask_user, calculator"):
        known_tools(["calculator", "telepathy"])


def test_importing_the_tools_does_not_import_http_or_mcp() -> None:
    program = (
        "import sys, millrace.agent.tools.builtin, millrace.agent.tools.toolbox, millrace.agent.tools.mcp;"
        "print([name for name in ('httpx', 'httpx2', 'mcp', 'boto3', 'fastapi') if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert printed.stdout.strip() == "[]"


HTML = "text/html; charset=iso-8859-1"


async def test_http_fetch_reads_a_page_as_text() -> None:
    page = "<title>T</title><script>x</script><p>caf\u00e9</p>".encode("latin-1")
    toolbox = Toolbox(known_tools(["http_fetch"]))
    async with serving(lambda _: response(page, headers=f"Content-Type: {HTML}\r\n")) as server:
        url = f"http://127.0.0.1:{server.port}/a"
        [alone] = await toolbox.run_all([call("http_fetch", {"url": url})], context(), 10.0)
        async with guarded_client(allow_loopback_http=True) as client:
            sharing = context(http=lambda: client)
            [shared] = await toolbox.run_all([call("http_fetch", {"url": url})], sharing, 10.0)
    assert alone.ok
    assert alone.text == shared.text == "T\n\ncaf\u00e9"
    assert alone.summary == f"200, {len(page)} bytes from {url}"
    assert b"GET /a HTTP/1.1" in server.heads[0]


@pytest.mark.parametrize(
    ("answer", "ok", "said"),
    [
        (response(b'{"a": 1}', headers="Content-Type: application/problem+json\r\n"), True, '{"a": 1}'),
        (
            response(b"\xff\xfe", headers="Content-Type: text/plain; charset=nonsense\r\n"),
            True,
            "\ufffd\ufffd",
        ),
        (response(b"x", headers="Content-Type: text/plain; charset=zlib\r\n"), True, "x"),
        (response(b"PNG", headers="Content-Type: image/png\r\n"), False, "image/png, not text"),
        (response(b"gone", "404 Not Found"), False, "The server answered 404.\ngone"),
        (response(b"", "302 Found", "Location: https://b.test/\r\n"), False, "moved to https://b.test/"),
        (response(b"x" * (PAGE_LIMIT + 1)), True, "only the first"),
        (b"nonsense\r\n\r\n", False, "The request failed"),
    ],
)
async def test_http_fetch_says_what_came_instead_of_a_page(answer: bytes, ok: bool, said: str) -> None:
    async with serving(lambda _: answer) as server:
        url = f"http://127.0.0.1:{server.port}/"
        toolbox = Toolbox(known_tools(["http_fetch"]), result_limit=1_000_000)
        [result] = await toolbox.run_all([call("http_fetch", {"url": url})], context(), 10.0)
    assert (result.ok, said in result.text) == (ok, True)


async def test_http_fetch_reaches_nothing_private() -> None:
    strict = context(settings=Settings(region="eu-central-1"))
    urls = [
        "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
        "https://169.254.169.254/",
        "https://localhost/",
    ]
    calls = [call("http_fetch", {"url": url}) for url in urls]
    results = await Toolbox(known_tools(["http_fetch"])).run_all(calls, strict, 10.0)
    assert not any(result.ok for result in results)
    assert "Only https" in results[0].text
    assert "public addresses" in results[1].text
    assert "public addresses" in results[2].text


async def test_search_conversations_asks_the_contexts_search() -> None:
    asked: list[tuple[str, int]] = []

    async def search(query: str, limit: int) -> Sequence[SearchHit]:
        asked.append((query, limit))
        return [SearchHit("c1", "2026-01-02T03:04:05Z", "user", "about\nwhales")] * 3

    toolbox = Toolbox(known_tools(["search_conversations"]))
    calls = [call("search_conversations", {"query": "whales", "limit": 2})]
    [found] = await toolbox.run_all(calls, context(search_conversations=search), 5.0)
    [missing] = await toolbox.run_all(calls, context(), 5.0)
    assert asked == [("whales", 2)]
    assert found.text == "\n\n".join(["[2026-01-02T03:04:05Z, conversation c1, user] about whales"] * 2)
    assert found.summary == "2 messages about whales"
    assert not missing.ok
    assert "does not support searching" in missing.text


@pytest.mark.parametrize("name", ["calculator", "echo_tool", "ask_user"])
def test_tool_is_made_once_and_not_for_every_run(name: str) -> None:
    [(_, first)] = own_tools([name], no_sub_agent)
    [(_, second)] = own_tools([name], no_sub_agent)
    assert first is second
