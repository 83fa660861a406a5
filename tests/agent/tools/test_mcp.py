"""Tools of MCP servers, against the official package's own server."""

import asyncio
import socket
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from millrace.agent.tools.mcp import Listing, McpTools, ToolCatalog, chosen, tool_name
from millrace.agent.tools.mcp_server import ListedTool, McpServer
from millrace.agent.tools.tool import ToolResult
from millrace.agent.tools.toolbox import Toolbox
from millrace.errors import InvalidRequest
from tests.agent.tools.contexts import call, context
from tests.agent.tools.mcp_servers import mcp_server
from tests.net.servers import response, serving


def local(*servers: McpServer, tool_catalog: ToolCatalog | None = None) -> McpTools:
    return McpTools(servers, tool_catalog or ToolCatalog(), allow_loopback_http=True)


async def called(tools: McpTools, name: str, **arguments: int) -> ToolResult:
    [result] = await Toolbox(await tools.tools()).run_all([call(name, arguments)], context(), 20.0)
    return result


@pytest.mark.parametrize(("old", "json"), [(False, False), (False, True), (True, False)])
async def test_servers_tools_are_listed_and_called(old: bool, json: bool) -> None:
    async with mcp_server(old, json) as server:
        async with local(McpServer("calc", server.url, {"Authorization": "Bearer s3cret"})) as tools:
            listed = {tool.name: tool for tool in await tools.tools()}
            three = await called(tools, "calc__add", a=1, b=2)
            broken = await called(tools, "calc__fail")
    assert {"calc__add", "calc__fail"} < set(listed)
    assert listed["calc__add"].description == "Add two numbers."
    assert listed["calc__add"].parameters["required"] == ["a", "b"]
    assert (three.ok, three.text) == (True, "3")
    assert not broken.ok
    assert "it broke" in broken.text or "Error executing" in broken.text
    assert set(server.keys) == {"Bearer s3cret"}
    assert ("initialize" in server.methods) == old


async def test_wrong_arguments_come_back_as_the_servers_own_words() -> None:
    async with mcp_server() as server, local(McpServer("calc", server.url)) as tools:
        result = await called(tools, "calc__add", a=1)
    assert not result.ok
    assert "b" in result.text


async def test_names_that_providers_refuse_are_made_to_fit_and_still_reach_their_tool() -> None:
    odd = tool_name("calc", "odd name/with.signs")
    async with mcp_server() as server, local(McpServer("calc", server.url)) as tools:
        assert (await called(tools, odd)).text == "odd"
    assert odd.startswith("calc__odd_name_with_signs_")
    assert tool_name("a", "b c") != tool_name("a", "b_c") == "a__b_c"
    assert len(tool_name("a", "x" * 100)) == 64
    assert tool_name("a", "x" * 100) != tool_name("a", "x" * 101)


async def test_server_is_listed_once_in_five_minutes_and_a_remembered_tool_can_be_called_at_once() -> None:
    now = 1000.0
    tool_catalog = ToolCatalog(clock=lambda: now)
    async with mcp_server() as server:
        for _ in range(2):
            async with local(McpServer("calc", server.url), tool_catalog=tool_catalog) as tools:
                assert (await called(tools, "calc__add", a=2, b=2)).text == "4"
        assert server.methods.count("tools/list") >= 1
        before = len(server.methods)
        async with local(McpServer("calc", server.url), tool_catalog=tool_catalog) as tools:
            assert await tools.tools()
        assert len(server.methods) == before
        now += 301.0
        async with local(McpServer("calc", server.url), tool_catalog=tool_catalog) as tools:
            assert await tools.tools()
        assert len(server.methods) > before


async def test_server_that_is_down_is_a_problem_in_words_and_costs_only_its_own_tools() -> None:
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))  # and does not listen, so that nobody else does
    down = f"http://127.0.0.1:{closed.getsockname()[1]}/mcp?key=s3cret"
    async with mcp_server() as server, serving(lambda _: response(b"hello")) as strange:
        servers = [
            McpServer("down", down, {"Authorization": "s3cret"}),
            McpServer("strange", f"http://127.0.0.1:{strange.port}/"),
            McpServer("calc", server.url),
        ]
        async with local(*servers) as tools:
            names = {tool.name for tool in await tools.tools()}
    closed.close()
    assert {name.partition("__")[0] for name in names} == {"calc"}
    problems = {problem.split(" is not available: ")[0] for problem in tools.problems}
    assert problems == {"The MCP server down", "The MCP server strange"}
    assert "s3cret" not in str(tools.problems) + repr(servers)


async def test_server_that_goes_down_in_the_middle_of_a_run_gives_an_error_result() -> None:
    async with mcp_server() as server:
        tools = local(McpServer("calc", server.url))
        toolbox = Toolbox(await tools.tools())
    async with tools:
        [result] = await toolbox.run_all([call("calc__add", {"a": 1, "b": 2})], context(), 20.0)
    assert not result.ok
    assert "calc__add failed: The MCP server calc is not available" in result.text


async def test_servers_private_address_is_refused() -> None:
    async with mcp_server() as server:
        async with McpTools([McpServer("calc", server.url)], ToolCatalog()) as tools:
            assert await tools.tools() == []
    assert "Only https URLs may be called" in tools.problems[0]
    assert server.methods == []


async def test_call_that_is_given_up_is_cancelled_at_the_server_and_others_go_on() -> None:
    async with mcp_server() as server, local(McpServer("calc", server.url)) as tools:
        toolbox = Toolbox(await tools.tools())
        [late] = await toolbox.run_all([call("calc__wait")], context(), 2.0)
        [result] = await toolbox.run_all([call("calc__add", {"a": 1, "b": 2})], context(), 20.0)
        assert server.waiting.is_set()
        async with asyncio.timeout(10):
            await server.cancelled.wait()
    assert "did not finish within 2 s" in late.text
    assert result.text == "3"


async def test_cancelling_a_run_in_a_call_leaves_nothing_open() -> None:
    before = asyncio.all_tasks()
    async with mcp_server() as server:

        async def run() -> None:
            async with local(McpServer("calc", server.url)) as tools:
                await called(tools, "calc__wait")

        running = asyncio.create_task(run())
        await server.waiting.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("json", [False, True])
async def test_flood_is_cut_off_and_the_session_opens_again(json: bool) -> None:
    async with mcp_server(json=json) as server, local(McpServer("calc", server.url)) as tools:
        flooded = await called(tools, "calc__flood")
        result = await called(tools, "calc__add", a=1, b=2)
    assert not flooded.ok
    assert len(flooded.text) < 1000
    assert result.text == "3"


SERVER = McpServer("docs", "https://mcp.example.com/mcp?key=a-secret-key", {"Authorization": "Bearer s3cret"})


def listed(count: int) -> list[ListedTool]:
    return [ListedTool(f"t{n}", "", {"type": "object"}) for n in range(count)]


def test_tool_with_too_large_a_schema_is_left_out_and_named() -> None:
    big = ListedTool("big", "", {"x": "y" * 20_000})
    found = chosen(SERVER, [big, ListedTool("long", "d" * 9999, {"type": "object"})])
    assert [(one.name, len(one.description)) for one in found.tools] == [("long", 2000)]
    [left_out] = found.left_out
    assert left_out.names == ["big"]
    assert "16 KB" in str(left_out)


def test_tools_beyond_the_limit_are_left_out_and_named() -> None:
    found = chosen(SERVER, listed(200))
    assert [one.name for one in found.tools] == [f"t{n}" for n in range(64)]
    [left_out] = found.left_out
    assert left_out.names == [f"t{n}" for n in range(64, 200)]
    assert "t64, t65" in str(left_out)
    assert "and 116 more" in str(left_out)
    assert "mcpServers[].tools" in str(left_out)


def test_agent_that_names_tools_gets_these_and_hears_of_unknown_ones() -> None:
    found = chosen(replace(SERVER, tools=("t150", "nothing", "t0")), listed(200))
    assert [one.name for one in found.tools] == ["t150", "t0"]
    [left_out] = found.left_out
    assert left_out.names == ["nothing"]
    assert "does not list" in str(left_out)


async def test_tools_of_every_page_can_be_had() -> None:
    async with mcp_server(more=150, page=40) as server:
        wanted = McpServer("calc", server.url, tools=("more_149", "add"))
        async with local(wanted) as tools:
            assert [tool.name for tool in await tools.tools()] == ["calc__more_149", "calc__add"]
            assert (await called(tools, "calc__more_149")).text == "149"
        async with local(McpServer("calc", server.url)) as tools:
            assert len(await tools.tools()) == 64
        [left_out] = tools.left_out
    assert "more_149" in left_out.names
    assert len(left_out.names) == 6 + 150 - 64


async def test_server_whose_pages_never_end_gives_what_it_has() -> None:
    async with mcp_server(page=-1) as server, local(McpServer("calc", server.url)) as tools:
        assert "calc__add" in {tool.name for tool in await tools.tools()}


SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@given(SECRETS, SECRETS)
def test_secrets_of_a_server_are_taken_out_of_texts_in_every_form(key: str, query: str) -> None:
    server = McpServer("docs", f"https://mcp.example.com/?key={quote(query, safe='')}", {"X-Key": key})
    for secret in (key, query):
        for form in (secret, quote(secret, safe=""), orjson.dumps(secret).decode()):
            shown = server.redact(f"it said {form} to us")
            assert secret not in shown.replace("[secret X-Key]", "").replace("[secret query]", "")
            assert form.strip('"') not in shown.replace("[secret X-Key]", "").replace("[secret query]", "")


async def test_secret_that_a_server_gives_back_is_taken_out_of_its_results() -> None:
    async with mcp_server() as server:
        secret = McpServer("calc", f"{server.url}?key=query-secret", {"Authorization": "Bearer s3cret-key"})
        async with local(secret) as tools:
            echoed = await called(tools, "calc__echo_headers")
            listed = {tool.name: tool for tool in await tools.tools()}
    assert "?[secret query]" in echoed.text
    assert "'authorization': '[secret Authorization]'" in echoed.text
    for secret_text in ("s3cret-key", "query-secret"):
        assert secret_text not in echoed.text + str(listed)


@pytest.mark.parametrize("name", ["", "a__b", "_a", "a b", "a" * 25, "ä", "a\n"])
def test_servers_name_must_fit_in_front_of_its_tools(name: str) -> None:
    with pytest.raises(InvalidRequest, match="letters"):
        McpServer(name, "https://example.com/mcp")


def test_servers_of_one_name_and_too_many_servers_are_refused() -> None:
    for names in (["a", "a"], [f"s{n}" for n in range(11)]):
        with pytest.raises(InvalidRequest, match="at most 10"):
            McpTools([McpServer(name, "https://example.com/mcp") for name in names], ToolCatalog())


def test_catalogue_keeps_credentials_apart_and_stays_small() -> None:
    tool_catalog = ToolCatalog()
    one = McpServer("a", "https://a.test/", {"Authorization": "1"})
    tool_catalog.put(one, Listing([]))
    assert tool_catalog.get(one) == Listing([])
    assert tool_catalog.get(McpServer("b", "https://a.test/", {"Authorization": "1"})) == Listing([])
    assert tool_catalog.get(replace(one, tools=("a",))) is None
    assert tool_catalog.get(McpServer("a", "https://a.test/", {"Authorization": "2"})) is None
    for n in range(256):
        tool_catalog.put(McpServer("a", f"https://{n}.test/"), Listing([]))
    assert tool_catalog.get(one) is None


def test_schema_that_cannot_be_written_as_it_is_costs_no_run() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"items": deep}
    unsigned = ListedTool("unsigned", "", {"type": "object", "maximum": 2**128 - 1})
    found = chosen(SERVER, [ListedTool("deep", "", deep), unsigned])
    assert [one.parameters for one in found.tools] == [{"type": "object", "maximum": float(2**128 - 1)}]
    assert [left_out.names for left_out in found.left_out] == [["deep"]]
