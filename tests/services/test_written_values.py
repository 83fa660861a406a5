"""Whatever a model writes as the arguments of a call, its run ends and its history can be read."""

import orjson

from millrace.agent.model import ToolCall
from millrace.agent.providers.tool_calls import read_arguments
from millrace.settings import Settings
from millrace.stores.connect import Stores
from tests.services.scripted import Talk, results_of

WRITTEN = [
    '{"text": "a", "n": NaN, "big": 123456789012345678901234567890}',
    '{"text": "a", "n": -Infinity, "big": 1e400, "bigger": 1' + "0" * 400 + "}",
    '{"text": "half \\ud83d"}',
    '{"text": "a", "\\udc00": {"\\ud800": ["\\ud800"]}}',
    '{}{"text": "half \\ud83d"}',
]
DEEP = [
    '{"text": "a", "deep": ' + "[" * depth + "]" * depth + "}" for depth in (120, 300, 1_000, 1_100, 20_000)
]


async def test_run_ends_whatever_its_model_writes_as_arguments(settings: Settings) -> None:
    calls = [
        ToolCall(f"call_{at}", "echo_tool", read_arguments(raw), raw) for at, raw in enumerate(WRITTEN + DEEP)
    ]
    talk = Talk(settings, Stores.connect(settings), [calls])
    events = [entry.event for entry in await talk.say("Hi")]
    assert events[-1]["type"] == "done"
    messages = await talk.messages()
    given = [block["toolUse"]["input"] for block in messages[1].content]
    assert given[0] == {"text": "a", "n": None, "big": 1.2345678901234568e29}
    assert given[1] == {"text": "a", "n": None, "big": None, "bigger": None}
    assert given[2] == given[4] == {"text": "half \ufffd"}
    assert given[3] == {"text": "a", "\ufffd": {"\ufffd": ["\ufffd"]}}
    assert given[len(WRITTEN) :] == [{}] * len(DEEP)
    results = results_of(messages[2])
    assert all("Call it again with one complete JSON object" in text for text in results[len(WRITTEN) :])
    assert orjson.dumps(events)
