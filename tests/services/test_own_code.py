"""A deployment's own packages: loaded when a function starts, or refused with advice."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from millrace.agent.code.agent import CODE_AGENTS
from millrace.agent.own import InvalidApp
from millrace.agent.providers.registry import check_model
from millrace.agent.tools.builtin import OWN_TOOLS
from millrace.domain.agents import OWN_AGENTS, Agent, fixed_agent, listed_agents
from millrace.errors import InvalidRequest
from millrace.services.flows.calls import toolbox_of
from millrace.services.flows.plan import planned_tools
from millrace.services.runs.agent_tools import check_tools
from millrace.services.runs.asking import asks_people, rules_of
from millrace.services.runs.own_code import load_checked
from millrace.settings import Settings

TOOLS = '''
from millrace.app import ToolContext, tool

@tool(repeat="safe")
async def order_status(order: str) -> str:
    """Tell where an order is."""
    return "sent"

@tool(policy={"ask": "amount > 50"}, approvers={"role": "admin"})
async def refund(order: str, amount: float, context: ToolContext) -> str:
    """Refund an order."""
    return "done"
'''
AGENTS = '''
from millrace.app import AgentContext, agent
from shop.tools import order_status, refund

@agent("shopkeeper", tools=[order_status, refund, "ask_user"], limits={"maxSeconds": 60})
async def shopkeeper(ctx: AgentContext):
    """Keeps the shop.

    And more.
    """
    yield await ctx.call_tool(order_status, order="1")
'''


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `shop` on the path, and nothing of it left afterwards."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for known in (OWN_TOOLS, CODE_AGENTS, OWN_AGENTS):
        known.clear()
    yield folder
    for known in (OWN_TOOLS, CODE_AGENTS, OWN_AGENTS):
        known.clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.fixture
def shop(app: Path) -> Path:
    (app / "tools.py").write_text(TOOLS)
    (app / "agents.py").write_text(AGENTS)
    load_checked("shop")
    return app


@pytest.mark.usefixtures("shop")
def test_tools_and_agents_of_all_modules_are_known() -> None:
    assert list(OWN_TOOLS) == ["order_status", "refund"]
    agent = fixed_agent("shopkeeper")
    assert agent is not None
    assert (agent.name, agent.description, agent.model) == (
        "Shopkeeper",
        "Keeps the shop.",
        "code:shopkeeper",
    )
    assert agent.tool_names == ["order_status", "refund", "ask_user"]
    assert (agent.limits.max_seconds, agent.limits.max_iterations, agent.builtin) == (60, 200, True)
    assert listed_agents("demo:")[0] is agent
    assert [one.id for one in listed_agents("demo:", "demo")][:2] == ["demo", agent.id]
    check_tools(["order_status", "agent:shopkeeper"])


@pytest.mark.usefixtures("shop")
def test_loading_twice_changes_nothing() -> None:
    before = dict(OWN_TOOLS)
    load_checked(" shop , ")
    assert before == OWN_TOOLS


@pytest.mark.usefixtures("shop")
def test_own_rule_asks_where_the_agent_says_nothing() -> None:
    plain = Agent(id="a", name="A", tools=["refund"])
    assert asks_people(plain)
    rule = rules_of(plain).rule_for("refund", {"amount": 60})
    assert rule is not None
    assert rule.who().role == "admin"
    assert rules_of(plain).rule_for("refund", {"amount": 5}) is None
    auto = Agent.model_validate({"id": "a", "name": "A", "tools": [{"name": "refund", "policy": "auto"}]})
    assert rules_of(auto).rule_for("refund", {"amount": 60}) is not None


@pytest.mark.usefixtures("shop")
def test_rule_of_an_agent_that_asks_takes_the_place_of_the_tools_own() -> None:
    use = {"name": "refund", "policy": {"ask": "amount > 500"}, "approvers": {"owner": True}}
    agent = Agent.model_validate({"id": "a", "name": "A", "tools": [use]})
    assert rules_of(agent).rule_for("refund", {"amount": 60}) is None
    rule = rules_of(agent).rule_for("refund", {"amount": 600})
    assert rule is not None
    assert rule.who().owner


@pytest.mark.usefixtures("shop")
def test_flow_calls_own_tools_but_none_that_asks_first() -> None:
    assert toolbox_of("order_status").may_repeat("order_status")
    with pytest.raises(InvalidRequest, match="refund requires an approval, which is not possible"):
        toolbox_of("refund")
    assert planned_tools(Agent(id="a", name="A", tools=["order_status", "refund"])) == ["order_status"]


@pytest.mark.usefixtures("shop")
def test_model_of_an_agent_in_code_must_be_there() -> None:
    settings = Settings(region="eu-central-1")
    assert check_model("code:shopkeeper", settings) == ("code", "shopkeeper")
    with pytest.raises(InvalidRequest, match=r"has no agent .thief.; it has: shopkeeper"):
        check_model("code:thief", settings)


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("import nowhere_at_all", "nowhere_at_all does not exist; is its package in app/requirements.txt"),
        ("1 / 0", r"shop.bad cannot be imported: ZeroDivisionError"),
        (
            TOOLS.replace("def refund", "def calculator"),
            "'calculator' is taken by one that comes with Millrace",
        ),
        (
            TOOLS.replace("amount > 50", "amout > 50"),
            "reads amout, which is not an argument; .* order, amount",
        ),
        (TOOLS.replace("amount > 50", "amount >"), "The policy of the tool 'refund': "),
        (TOOLS.replace('"""Refund an order."""', "pass"), "no docstring"),
        (
            AGENTS.replace(
                "from shop.tools import order_status, refund", "order_status = refund = 'telepathy'"
            ),
            "The agent 'shopkeeper': Unknown tools: telepathy",
        ),
        (
            AGENTS.replace("yield ", "return ").replace("shop.tools", "shop.good"),
            "must be an async generator",
        ),
        (AGENTS.replace('"shopkeeper"', '"demo"').replace("shop.tools", "shop.good"), "'demo' is taken"),
        (AGENTS.replace("limits", "limit").replace("shop.tools", "shop.good"), "limit: Extra inputs"),
    ],
)
def test_mistake_ends_the_init_with_its_remedy(app: Path, module: str, remedy: str) -> None:
    (app / "good.py").write_text(TOOLS)
    if "shop.good" not in module:
        (app / "good.py").unlink()
    (app / "bad.py").write_text(module)
    with pytest.raises(InvalidApp, match=remedy):
        load_checked("shop")


def test_package_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidApp, match="the module no_such_shop does not exist; is it a folder in app/"):
        load_checked("no_such_shop")
