"""Tools know their user, and may require a scope."""

import pytest

from millrace.agent.tools.function import needs_scope, tool
from millrace.agent.tools.mcp import McpTools, ToolCatalog
from millrace.agent.tools.mcp_server import McpServer
from millrace.agent.tools.tool import ToolContext
from millrace.agent.tools.toolbox import Toolbox
from millrace.domain.access import Principal
from tests.agent.tools.contexts import call, context
from tests.agent.tools.mcp_servers import mcp_server

CLERK = Principal("org", "clerk", frozenset({"chat", "refunds:approve"}), claims={"email": "clerk@acme.com"})
CUSTOMER = Principal("org", "customer", frozenset({"chat"}))


async def test_tool_knows_the_user_of_its_run() -> None:
    def who(context: ToolContext) -> str:
        user = context.user
        return f"{user.id} {user.claims['email']} {sorted(user.scopes)}"

    [result] = await Toolbox([tool(who)]).run_all([call("who")], context(user=CLERK), 5.0)
    assert result.text == "clerk clerk@acme.com ['chat', 'refunds:approve']"


@pytest.mark.parametrize(("user", "runs"), [(CLERK, True), (CUSTOMER, False)])
async def test_tool_with_a_scope_runs_only_for_users_who_have_it(user: Principal, runs: bool) -> None:
    ran: list[str] = []

    @needs_scope("refunds:approve")
    def refund(order: str) -> str:
        ran.append(order)
        return "refunded"

    [result] = await Toolbox([tool(refund)]).run_all(
        [call("refund", {"order": "7"})], context(user=user), 5.0
    )
    assert (result.ok, ran) == (runs, ["7"] if runs else [])
    assert runs or "lacks the scope 'refunds:approve'" in result.text


async def test_tools_of_an_mcp_server_with_a_scope_are_not_called_for_others() -> None:
    async with mcp_server() as server:
        mcp = McpTools(
            [McpServer("calc", server.url, scope="maths")], ToolCatalog(), allow_loopback_http=True
        )
        async with mcp:
            toolbox = Toolbox(await mcp.tools())
            before = len(server.methods)
            [result] = await toolbox.run_all([call("calc__add", {"a": 1, "b": 2})], context(user=CUSTOMER), 5)
            assert not result.ok
            assert len(server.methods) == before
            able = Principal("org", "able", frozenset({"maths"}))
            [result] = await toolbox.run_all([call("calc__add", {"a": 1, "b": 2})], context(user=able), 20)
            assert result.text == "3"
