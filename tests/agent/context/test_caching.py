"""Prompt caching: the prefix that two requests share is marked for caches that need it."""

from typing import Any

import orjson

from millrace.agent.budget import Budget
from millrace.agent.history import result_block, to_turns
from millrace.agent.model import ModelRequest, ToolSpec, Usage
from millrace.agent.prices import cost
from millrace.agent.providers.anthropic import messages_request
from millrace.agent.providers.bedrock import converse_request
from millrace.domain.agents import AgentLimits
from millrace.domain.conversations import StoredMessage

LOOKUP = ToolSpec("lookup", "Looks it up.", {"type": "object"})
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def history(rounds: int) -> list[StoredMessage]:
    made = [StoredMessage("m", "user", [{"text": "Look."}], "")]
    for number in range(rounds):
        use = {"toolUse": {"toolUseId": f"c{number}", "name": "lookup", "input": {}}}
        made.append(StoredMessage("m", "assistant", [use], ""))
        made.append(StoredMessage("m", "user", [result_block(f"c{number}", True, "found")], ""))
    return made


def request(rounds: int, model: str) -> ModelRequest:
    return ModelRequest(model, "Be brief.", to_turns(history(rounds)), [LOOKUP])


def markers(body: Any, name: str) -> int:
    return orjson.dumps(body).decode().count(f'"{name}"')


def without(body: Any, name: str) -> Any:
    if isinstance(body, dict):
        return {key: without(value, name) for key, value in body.items() if key != name}
    if isinstance(body, list):
        return [without(one, name) for one in body if not (isinstance(one, dict) and one.keys() == {name})]
    return body


def test_anthropic_request_marks_where_the_one_before_ended() -> None:
    before, after = (messages_request(request(rounds, "claude-sonnet-4-5")) for rounds in (3, 4))
    for body in (before, after):
        assert markers(body, "cache_control") == 4, "Anthropic refuses a fifth"
    marked = [
        at for at, turn in enumerate(after["messages"]) if any("cache_control" in b for b in turn["content"])
    ]
    assert marked == [len(before["messages"]) - 1, len(after["messages"]) - 1]
    shared = without(after["messages"][: len(before["messages"])], "cache_control")
    assert shared == without(before["messages"], "cache_control")
    assert (after["system"], after["tools"]) == (before["system"], before["tools"])


def test_bedrock_request_marks_where_the_one_before_ended() -> None:
    before, after = (converse_request(request(rounds, CLAUDE)) for rounds in (3, 4))
    for body in (before, after):
        assert markers(body, "cachePoint") == 4, "Claude on Bedrock takes no fifth"
    assert {"cachePoint": {"type": "default"}} in after["messages"][len(before["messages"]) - 1]["content"]
    shared = without(after["messages"][: len(before["messages"])], "cachePoint")
    assert shared == without(before["messages"], "cachePoint")
    assert markers(converse_request(request(3, "meta.llama3-1-8b-instruct-v1:0")), "cachePoint") == 0


def test_cached_tokens_are_in_the_usage_and_cheaper() -> None:
    budget = Budget(AgentLimits())
    budget.spend("anthropic:claude-sonnet-4-5", Usage(10_000, 100, cache_read=9_000))
    budget.spend("anthropic:claude-sonnet-4-5", Usage(10_000, 100, cache_write=9_000))
    assert budget.usage() == {
        "input": 20_000,
        "output": 200,
        "total": 20_200,
        "cacheRead": 9_000,
        "cacheWrite": 9_000,
    }
    fresh = 2 * (cost("anthropic:claude-sonnet-4-5", Usage(1_000, 100)) or 0)
    cached = 9_000 * (3 * 0.1 + 3 * 1.25) / 1_000_000
    assert budget.cost is not None
    assert abs(budget.cost - fresh - cached) < 1e-9
