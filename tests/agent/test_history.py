"""Whatever is stored, each provider sends a history that its server accepts."""

from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.agent.history import HISTORY_CHARACTERS, result_block, to_turns
from millrace.agent.model import ModelRequest, ToolSpec
from millrace.agent.providers.anthropic import messages_request
from millrace.agent.providers.bedrock import converse_request
from millrace.agent.providers.chat_request import chat_request
from millrace.agent.providers.chat_servers import DIALECTS
from millrace.domain.conversations import StoredMessage
from millrace.domain.projection import project_message
from tests.fakes.strict_models import (
    NOTHING_MORE,
    check_chat,
    check_converse,
    check_messages,
    demand_mistral,
    demand_openai,
)

IDS = ["c1", "c2", "functions.lookup:0", "chatcmpl-tool-" + "0" * 32, ""]
texts = st.sampled_from(["Hi", "", " \n", "More."]).map(lambda text: {"text": text})
calls = st.tuples(st.sampled_from(IDS), st.sampled_from(["lookup", "gone"])).map(
    lambda call: {
        "toolUse": {"toolUseId": call[0], "name": call[1], "input": {}},
        "providerData": {"s": {"id": call[0], "extra_content": {"google": {"thought_signature": "x"}}}},
    }
)
thoughts = st.sampled_from(
    [
        {
            "reasoningContent": {"reasoningText": {"text": "hm"}},
            "providerData": {"s": {"field": "reasoning"}},
        },
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
    ]
)
results = st.tuples(st.sampled_from(IDS), st.booleans()).map(lambda r: result_block(r[0], r[1], "found"))


def stored(role: Literal["user", "assistant"], content: list[dict[str, Any]], **more: Any) -> StoredMessage:
    return StoredMessage("m", role, content, "2026-01-01T00:00:00Z", **more)


messages = st.one_of(
    st.lists(texts | results, max_size=4).map(lambda content: stored("user", content)),
    texts.map(lambda text: stored("user", [text], injected=True)),
    st.lists(texts | calls | thoughts, max_size=4).map(lambda content: stored("assistant", content)),
)


@settings(max_examples=120)
@given(st.lists(messages, max_size=10))
def test_any_history_becomes_one_that_servers_accept(history: list[StoredMessage]) -> None:
    question = stored("user", [{"text": "And now?"}])
    lookup = ToolSpec("lookup", "Look it up.", {"type": "object"})
    request = ModelRequest("m", "", to_turns([*history, question]), [lookup])
    check_messages(messages_request(request))
    check_converse(converse_request(request))
    for name in DIALECTS:
        body = chat_request(request, DIALECTS[name], "other")
        names = {tool["function"]["name"] for tool in body["tools"]}
        allowed = frozenset({"reasoning_content", "extra_content"})
        check_chat(body["messages"], names, allowed if name in ("deepseek", "gemini") else NOTHING_MORE)
        demand_openai(body["messages"])
    demand_mistral(chat_request(request, DIALECTS["mistral"], "other")["messages"])
    assert "And now?" in str(request.messages[-1])


def test_question_stays_when_its_run_outgrows_the_room() -> None:
    large = "x" * (HISTORY_CHARACTERS // 4)
    call = {"toolUse": {"toolUseId": "c1", "name": "lookup", "input": {}}}
    history = [stored("user", [{"text": "Old."}]), stored("assistant", [{"text": "Yes."}])]
    history += [stored("user", [{"text": "The question."}])]
    for _ in range(6):
        history += [stored("assistant", [call]), stored("user", [result_block("c1", True, large)])]
    turns = to_turns(history)
    assert turns[0] == {"role": "user", "content": [{"text": "The question."}]}
    assert len(turns) < 10
    check_messages_of(turns)


def check_messages_of(turns: list[dict[str, Any]]) -> None:
    check_converse(converse_request(ModelRequest("m", "", turns)))


def test_viewers_never_see_what_is_kept_for_a_provider() -> None:
    call = {"toolUse": {"toolUseId": "c1", "name": "lookup", "input": {}}, "providerData": {"s": {"id": "x"}}}
    for detail in ("answer", "steps", "full"):
        assert "providerData" not in str(project_message(stored("assistant", [call, {"text": "Hi"}]), detail))
