"""Markup that models write into their text never reaches the user, however it is split into tokens."""
# ruff: noqa: E501 (what models write stands on one line)

from collections.abc import AsyncGenerator
from random import Random
from typing import Any

import pytest

from millrace.agent.call_ids import known_name
from millrace.agent.dialects import dialect_of, guess
from millrace.agent.leak import LeakFilter
from millrace.agent.model import Delta, Finish, FinishReason, ModelRequest, Text, Thinking, ToolCall, ToolSpec
from millrace.agent.raw_calls import calls_in
from millrace.agent.tools.tool import Tool, ToolContext, ToolResult
from millrace.domain.agents import Agent
from tests.agent.leaking import taken
from tests.agent.looping import Conversation
from tests.agent.test_leak import cut

STRING = {"type": "string"}
WEATHER = ToolSpec(
    "weather", "", {"type": "object", "properties": {"city": STRING, "zip": STRING, "days": {}}}
)
PARIS = ("weather", {"city": "Paris"})
ROME = ("weather", {"city": "Rome"})
HARMONY = "<|channel|>analysis<|message|>The user asks.<|end|><|start|>assistant"

# model, text, visible text, thinking, calls
CASES: list[tuple[str, str, str, str, list[tuple[str, Any]]]] = [
    ("llama3", "<thought>hm</thought>Hi", "Hi", "hm", []),
    ("qwen3:8b", "<think>\n\n</think>\n\nHi", "\n\nHi", "\n\n", []),
    ("qwq-32b", "secret</think>Hi", "Hi", "secret", []),
    ("qwq-32b", "<think>secret</think>Hi", "Hi", "secret", []),
    ("qwq-32b", "\n<think>secret</think>Hi", "Hi", "\nsecret", []),
    ("deepseek-r1:14b", "se <b> cret\n</think>\n\nHi", "\n\nHi", "se <b> cret\n", []),
    ("qwen3-30b-a3b-thinking-2507", "a <think> b </think> c</think>Hi", "Hi", "a  b  c", []),
    ("qwq-32b", 'hm <tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call>', "",
     'hm <tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call>', [PARIS]),
    ("magistral-small", "[THINK]hm [x] [TH[/THINK]Hi [1](x)", "Hi [1](x)", "hm [x] [TH", []),
    ("gpt-5", "Write [THINK] and [/THINK].", "Write [THINK] and [/THINK].", "", []),
    ("kimi-vl", "◁think▷hm◁/think▷Hi", "Hi", "hm", []),
    ("gpt-oss-20b", f"{HARMONY}<|channel|>final<|message|>Hi<|return|>", "Hi", "The user asks.", []),
    ("gpt-oss-20b", "Hi, 1 < 2 and <| is no token.", "Hi, 1 < 2 and <| is no token.", "", []),
    ("gpt-oss-20b", "analysis of data is hard", "analysis of data is hard", "", []),
    ("gpt-oss-20b", "analysisThe user asks.assistantfinalHi", "Hi", "The user asks.", []),
    ("gpt-oss-20b", "analysisAn assistant is asked.assistantfinalAsk an assistant", "Ask an assistant",
     "An assistant is asked.", []),
    ("gpt-oss-20b", 'analysisHm.assistantcommentary to=functions.weather json{"city":"Paris"}', "", "Hm.",
     [PARIS]),
    (
        "openai/gpt-oss-120b",
        f'{HARMONY}<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{{"city":"Paris"}}<|call|>',
        "", "The user asks.", [PARIS],
    ),
    (
        "gpt-oss",
        f'{HARMONY} to=functions.weather<|channel|>commentary json<|message|>{{"city":"Paris"}}<|call|>',
        "", "The user asks.", [PARIS],
    ),
    # TensorRT-LLM#9256: arguments without a recipient
    ("gpt-oss", '<|channel|>commentary<|message|>{"path": "/"}<|end|>', "", '{"path": "/"}', []),
    (
        "hermes-3",
        'Let me see.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>\n'
        '<tool_call>{"name": "weather", "arguments": "{\\"city\\": \\"Rome\\"}"}</tool_call>',
        "Let me see.\n\n", "", [PARIS, ROME],
    ),
    ("qwen2.5", '<tool_call>{"name": "weather", "arguments": {"city": "Paris"}}', "", "", [PARIS]),
    ("qwen2.5", 'In code: `<tool_call>` and\n```\n<tool_call>{}</tool_call>\n```\n',
     'In code: `<tool_call>` and\n```\n<tool_call>{}</tool_call>\n```\n', "", []),
    ("qwen2.5", "<tool_call>rub bish</tool_call>", "", "", [("unnamed_tool", None)]),
    ("qwen2.5", '<tool_call>{"name": "weather", "arguments": {"city": "Par</tool_call>', "", "",
     [("unnamed_tool", None)]),
    (
        "qwen3-coder",
        "<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=zip>\n75001\n"
        "</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
        "", "", [("weather", {"city": "Paris", "zip": "75001", "days": 3})],
    ),
    (
        "glm-4.6",
        "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call>",
        "", "", [PARIS],
    ),
    ("mistral-nemo", '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris"}}]', "", "", [PARIS]),
    ("mistral-small", 'Yes.[TOOL_CALLS]weather{"city": "Paris"}[TOOL_CALLS]weather[ARGS]{"city": "Rome"}', "Yes.", "",
     [PARIS, ROME]),
    ("llama-3.1-8b", '<|python_tag|>{"name": "weather", "parameters": {"city": "Paris"}}<|eom_id|>', "", "", [PARIS]),
    (
        "llama-3.2",
        '<|python_tag|>{"name": "weather", "parameters": {"city": "Paris"}}; '
        '{"name": "weather", "parameters": {"city": "Rome"}}',
        "", "", [PARIS, ROME],
    ),
    ("llama3.1", '<function=weather>{"city": "Paris"}</function>', "", "", [PARIS]),
    (
        "deepseek-v3.1",
        'Ok<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜>'
        '<｜tool▁call▁begin｜>weather<｜tool▁sep｜>{"city": "Rome"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        "Ok", "", [PARIS, ROME],
    ),
    (
        "deepseek-v3",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n"
        '```json\n{"city": "Paris"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        "", "", [PARIS],
    ),
    (
        "deepseek-v3.2",
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="weather">\n<｜DSML｜parameter name="city" string="true">'
        "Paris</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
        "", "", [PARIS],
    ),
    (
        "kimi-k2",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>"
        '{"city": "Paris"}<|tool_call_end|><|tool_calls_section_end|>',
        "", "", [PARIS],
    ),
    (
        "minimax-m2",
        '<minimax:tool_call>\n<invoke name="weather">\n<parameter name="city">Paris</parameter>\n</invoke>\n'
        "</minimax:tool_call>",
        "", "", [PARIS],
    ),
    ("gpt-5", '<tool_call>{"name": "weather"}</tool_call>', '<tool_call>{"name": "weather"}</tool_call>', "", []),
]  # fmt: skip


def agent_of(model: str, **more: Any) -> Agent:
    return Agent(**{"id": "a", "name": "A", "model": f"openai:{model}"} | more)


def taken_apart(
    tokens: list[str], agent: Agent, tools: bool = True
) -> tuple[str, str, list[tuple[str, Any]]]:
    leak = LeakFilter(dialect=dialect_of(agent), tools=tools)
    pieces = [piece for token in tokens for piece in taken(leak, token)]
    pieces += leak.finish(whole=not any(piece.kind == "call" for piece in pieces))
    calls = [
        call
        for piece in pieces
        if piece.kind == "call"
        for call in calls_in(piece.text, {"weather": WEATHER})
    ]
    parts = ["".join(piece.text for piece in pieces if piece.kind == kind) for kind in ("text", "thinking")]
    return parts[0], parts[1], [(known_name(call.name, ["weather"]), call.arguments) for call in calls]


@pytest.mark.parametrize(
    ("model", "text", "shown", "thinking", "calls"),
    CASES,
    ids=[f"{case[0]} {n}" for n, case in enumerate(CASES)],
)
def test_models_text_is_parsed_however_it_is_cut(
    model: str, text: str, shown: str, thinking: str, calls: list[tuple[str, Any]]
) -> None:
    for tokens in ([text], list(text), *(cut(text, Random(n).randrange(2**32)) for n in range(20))):
        assert taken_apart(tokens, agent_of(model)) == (shown, thinking, calls)


def test_calls_in_text_stay_text_where_the_agent_has_no_tools() -> None:
    text = '<tool_call>{"name": "weather"}</tool_call>'
    assert taken_apart([text], agent_of("qwen3"), tools=False) == (text, "", [])


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("openai:gpt-oss-20b", "harmony"),
        ("openai:Qwen/Qwen3-32B", "hermes"),
        ("bedrock:us.deepseek.r1-v1:0", "deepseek"),
        ("ollama:deepseek-r1:14b", "deepseek"),
        ("openai:gpt-5", "plain"),
        ("anthropic:claude-sonnet-5", "plain"),
        ("openai:anthropic/claude-opus-4-5", "plain"),
        ("openai:gemini-3-pro", "plain"),
        ("demo:", "plain"),
        ("qwen-box:gpt-5", "plain"),
    ],
)
def test_dialect_is_guessed_by_the_name(model: str, dialect: str) -> None:
    assert guess(model) == dialect


def test_agent_names_its_dialect() -> None:
    named = agent_of("my-finetune", dialect="hermes", starts_in_thinking=True)
    assert taken_apart(['hm</think>Hi<tool_call>{"name":"weather"}</tool_call>'], named) == (
        "Hi",
        "hm",
        [("weather", {})],
    )
    plain = agent_of("qwq", dialect="plain")
    assert taken_apart(["a</think><tool_call>"], plain) == ("a<tool_call>", "", [])


class Speaker:
    """A provider that says the same every time, then a word."""

    def __init__(self, *deltas: Delta, reason: FinishReason = "stop") -> None:
        self._turns: list[list[Delta]] = [
            [*deltas, Finish(reason, None)],
            [Text("Done."), Finish("stop", None)],
        ]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Delta, None]:
        for delta in self._turns.pop(0):
            yield delta


async def test_call_in_the_text_runs_its_tool_and_is_never_shown() -> None:
    async def weather(arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        return ToolResult(True, f"sunny in {arguments['city']}", "sunny")

    conversation = Conversation(Tool("weather", "", {"type": "object"}, weather))
    speaker = Speaker(
        Text('I look. <tool_call>{"name":"functions.weather",'), Text('"arguments":{"city":"Paris"}}')
    )
    assert await conversation.ask("Hi", speaker, "qwen3") == "stop"
    assert conversation.text() == "I look. Done."
    results = [event for event in conversation.events if event["type"] == "tool_result"]
    assert [(event["name"], event["result"]) for event in results] == [("weather", "sunny in Paris")]


async def test_call_that_the_server_has_read_as_well_runs_once() -> None:
    runs: list[str] = []

    async def weather(arguments: dict[str, Any], context: ToolContext) -> ToolResult:
        runs.append(arguments["city"])
        return ToolResult(True, "sunny", "sunny")

    text = "".join(
        f'<tool_call>{{"name":"weather","arguments":{{"city":"{city}"}}}}</tool_call>'
        for city in ("Paris", "Rome")
    )
    read = ToolCall("c1", "weather", {"city": "Paris"})
    conversation = Conversation(Tool("weather", "", {"type": "object"}, weather))
    await conversation.ask("Hi", Speaker(Text(text), read), "qwen3")
    assert sorted(runs) == ["Paris", "Rome"]


async def test_text_that_never_leaves_its_thinking_was_the_answer() -> None:
    conversation = Conversation()
    await conversation.ask("Hi", Speaker(Text("Hel"), Text("lo")), "qwq-32b")
    assert conversation.text() == "Hello"


async def test_thinking_that_was_cut_off_is_no_answer() -> None:
    conversation = Conversation()
    await conversation.ask("Hi", Speaker(Text("sec"), Text("ret"), reason="max_tokens"), "qwq-32b")
    assert (conversation.text(), conversation.thoughts()) == ("", "secret")


async def test_server_that_takes_the_thinking_out_is_noticed() -> None:
    conversation = Conversation()
    await conversation.ask("Hi", Speaker(Thinking("hm"), Text("Hi"), Text(" there")), "qwq-32b")
    tokens = [event["token"] for event in conversation.events if event["type"] == "token"]
    assert (tokens, conversation.thoughts()) == (["Hi", " there"], "hm")


async def test_unknown_reason_is_told_as_it_is() -> None:
    assert await Conversation().ask("Hi", Speaker(Text("Hi"), reason="other"), "m") == "other"
