"""Answers of real servers as they were reported, byte by byte, with their meaning.

The numbers are the issues or pull requests of the clients that failed on them.
"""

from dataclasses import dataclass
from typing import Any

from millrace.agent.model import Usage
from tests.fakes.model_bytes import OPENAI_DONE, openai_answer, openai_chunk, openai_event, openai_usage


@dataclass(frozen=True)
class Stream:
    """A body and its reading; `error` is the code of the failure it ends with. `sdk`: the official client
    reads the same."""

    body: bytes
    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    reason: str = "stop"
    usage: Usage | None = None
    error: str = ""
    words: str = ""
    sdk: bool = True


STOP = openai_chunk({}, "stop")
END = STOP + OPENAI_DONE
HI = openai_chunk({"content": "Hi"})
PARIS = {"city": "Paris"}


def tools(*pieces: dict[str, Any]) -> bytes:
    return openai_chunk({"tool_calls": list(pieces)})


def tool(arguments: Any = None, name: str | None = None, **fields: Any) -> dict[str, Any]:
    given = {"name": name, "arguments": arguments}
    return fields | {"function": {key: value for key, value in given.items() if value is not None}}


def called(arguments: Any) -> bytes:
    """A whole call of `weather` and the end of its message."""
    return tools(tool(arguments, "weather", index=0, id="c1")) + openai_chunk({}, "tool_calls") + OPENAI_DONE


KEEP_ALIVES = {
    "data without anything, openai-python#3833": Stream(
        b"data:\n\n" + HI + b"data: \n\n" + END, "Hi", sdk=False
    ),
    "null, python-sdk#1670": Stream(b"data: null\n\n" + HI + b"data:null\r\n\r\n" + END, "Hi", sdk=False),
    "an empty object": Stream(b"data: {}\n\n" + HI + END, "Hi", sdk=False),
    "comments": Stream(b": ping\n\n" + HI + b": OPENROUTER PROCESSING\n\n" + END, "Hi"),
    "Azure's first chunk": Stream(
        openai_chunk({}, choices=[], prompt_filter_results=[{"prompt_index": 0}]) + HI + END, "Hi", sdk=False
    ),
}
TEXTS = {
    "a byte order mark": Stream(b"\xef\xbb\xbf" + HI + END, "Hi", sdk=False),
    "an emoji in two chunks, elizaOS#30904": Stream(
        b'data: {"choices":[{"index":0,"delta":{"content":"so \\ud83d"},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00 good"},"finish_reason":null}]}\n\n' + END,
        "so \U0001f600 good",
        sdk=False,
    ),
    "half an emoji at the end": Stream(
        HI + b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"},"finish_reason":null}]}\n\n' + END,
        "Hi\ufffd",
        sdk=False,
    ),
    "a second half alone": Stream(
        b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00Hi"},"finish_reason":null}]}\n\n' + END,
        "\ufffdHi",
        sdk=False,
    ),
    "an emoji of a thought in two chunks": Stream(
        b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"\\ud83d"}}]}\n\n'
        b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"\\ude00"}}]}\n\n' + HI + END,
        "Hi",
        "\U0001f600",
        sdk=False,
    ),
    "an emoji of an argument in two chunks": Stream(
        tools(tool('{"city":"', "weather", index=0, id="c1"))
        + b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,'
        + b'"function":{"arguments":"\\ud83d"}}]}}]}\n\n'
        + b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,'
        + b'"function":{"arguments":"\\ude00"}}]}}]}\n\n'
        + tools(tool('"}', index=0))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", {"city": "\U0001f600"}),),
        reason="tool_use",
        sdk=False,
    ),
    "broken UTF-8": Stream(
        b'data: {"choices":[{"index":0,"delta":{"content":"H\xffi"},"finish_reason":null}]}\n\n' + END,
        "H\ufffdi",
        sdk=False,
    ),
    "logprobs of minus infinity": Stream(
        b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":{"content":[{"token":"Hi",'
        b'"logprob":-Infinity,"top_logprobs":[{"logprob":NaN}]}]},"finish_reason":null}]}\n\n' + END,
        "Hi",
        sdk=False,
    ),
    "parts of content": Stream(
        openai_chunk(
            {"content": [{"type": "text", "text": "Hi"}, {"type": "reference", "reference_ids": [1]}]}
        )
        + END,
        "Hi",
        sdk=False,
    ),
    "the whole message again at the end, MiniMax": Stream(
        HI
        + openai_event(
            {
                "object": "chat.completion",
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
                ],
            }
        ),
        "Hi",
        sdk=False,
    ),
    "the whole message alone": Stream(
        openai_event(
            {
                "object": "chat.completion",
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
                ],
                "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
            }
        ),
        "Hi",
        usage=Usage(5, 1),
        sdk=False,
    ),
}
ENDS = {
    "eos of TGI": Stream(HI + openai_chunk({}, "eos_token"), "Hi"),
    "an enum's name": Stream(HI + openai_chunk({}, "FINISH_REASON_STOP"), "Hi"),
    "Gemini's STOP": Stream(HI + openai_chunk({}, "STOP"), "Hi"),
    "Mistral's full context": Stream(HI + openai_chunk({}, "model_length"), "Hi", reason="max_tokens"),
    "MAX_TOKENS": Stream(HI + openai_chunk({}, "MAX_TOKENS"), "Hi", reason="max_tokens"),
    "SAFETY": Stream(HI + openai_chunk({}, "SAFETY"), "Hi", reason="refusal"),
    "sensitive, Zhipu": Stream(HI + openai_chunk({}, "sensitive"), "Hi", reason="refusal"),
    "a reason that nobody knows": Stream(HI + openai_chunk({}, "vibes") + OPENAI_DONE, "Hi", reason="other"),
    "null and nothing in every chunk": Stream(
        openai_chunk({"content": "Hi"}, "") + openai_chunk({"content": "!"}, "null") + END, "Hi!"
    ),
    "insufficient_system_resource, DeepSeek": Stream(
        HI + openai_chunk({}, "insufficient_system_resource") + OPENAI_DONE,
        "Hi",
        error="provider_unavailable",
        words="insufficient_system_resource",
    ),
    "network_error, Zhipu": Stream(
        HI + openai_chunk({}, "network_error"), "Hi", error="provider_unavailable", words="network_error"
    ),
    "abort, vLLM": Stream(HI + openai_chunk({}, "abort") + OPENAI_DONE, "Hi", error="incomplete_response"),
    "MALFORMED_FUNCTION_CALL, Gemini": Stream(
        openai_chunk({}, "MALFORMED_FUNCTION_CALL") + OPENAI_DONE,
        error="provider_unavailable",
        words="MALFORMED_FUNCTION_CALL",
    ),
    "calls that end with an unknown reason": Stream(
        tools(tool("{}", "time", index=0, id="c1")) + openai_chunk({}, "action"),
        calls=(("time", {}),),
        reason="tool_use",
    ),
}
CALLS = {
    "function_call of old": Stream(
        openai_chunk(
            {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": ""}}
        )
        + openai_chunk({"function_call": {"arguments": '{"city":'}})
        + openai_chunk({"function_call": {"arguments": '"Paris"}'}})
        + openai_chunk({}, "function_call"),
        calls=(("weather", PARIS),),
        reason="tool_use",
        sdk=False,
    ),
    "another id with every piece, poolsideai/pool#9": Stream(
        tools(tool("", "weather", index=0, id="chatcmpl-tool-89d1"))
        + tools(tool('{"city":', index=0, id="call_4de5"))
        + tools(tool('"Paris"}', index=0, id="call_9c1b"))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", PARIS),),
        reason="tool_use",
    ),
    "another id and the name with every piece": Stream(
        tools(tool("", "weather", index=0, id="a"))
        + tools(tool('{"city":', "weather", index=0, id="b"))
        + tools(tool('"Paris"}', "weather", index=0, id="c"))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", PARIS),),
        reason="tool_use",
        sdk=False,
    ),
    "another id with every piece, without an index": Stream(
        tools(tool("", "weather", id="a"))
        + tools(tool('{"city":', id="b"))
        + tools(tool('"Paris"}', id="c"))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", PARIS),),
        reason="tool_use",
        sdk=False,
    ),
    "two calls with one id, nanobot#3943": Stream(
        tools(tool('{"city":"Paris"}', "weather", index=0, id="c1"))
        + tools(tool('{"city":"Rome"}', "weather", index=1, id="c1"))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", PARIS), ("weather", {"city": "Rome"})),
        reason="tool_use",
    ),
    "two calls with one id and one index": Stream(
        tools(tool('{"city":"Paris"}', "weather", index=0, id="c1"))
        + tools(tool('{"city":"Rome"}', "weather", index=0, id="c1"))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", PARIS), ("weather", {"city": "Rome"})),
        reason="tool_use",
        sdk=False,
    ),
    "one call under two indexes, LocalAI#9722": Stream(
        tools(tool("", "weather", index=0, id="c1"))
        + tools(tool('{"city":"Paris"}', "weather", index=1, id="c1"))
        + tools(tool('{"city":"Paris"}', "weather", index=2, id="c1"))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", PARIS),),
        reason="tool_use",
        sdk=False,
    ),
    "a name in pieces": Stream(
        tools(tool("", "wea", index=0, id="c1"))
        + tools(tool(None, "ther", index=0))
        + tools(tool("{}", index=0))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", {}),),
        reason="tool_use",
    ),
    "an empty name behind the real one, vercel/ai#9173": Stream(
        tools(tool('{"city":', "weather", index=0, id="c1"))
        + tools(tool('"Paris"}', "", index=0, id=""))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", PARIS),),
        reason="tool_use",
    ),
    "calls as one object": Stream(
        openai_chunk({"tool_calls": tool('{"city":"Paris"}', "weather", index=0, id="c1")})
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", PARIS),),
        reason="tool_use",
        sdk=False,
    ),
    "arguments null": Stream(called("null"), calls=(("weather", {}),), reason="tool_use", sdk=False),
    "arguments null twice": Stream(called(None), calls=(("weather", {}),), reason="tool_use", sdk=False),
    "an empty object first, litellm#4537": Stream(
        tools(tool("{}", "weather", index=0, id="c1"))
        + tools(tool('{"city":"Paris"}', index=0))
        + openai_chunk({}, "tool_calls"),
        calls=(("weather", PARIS),),
        reason="tool_use",
        sdk=False,
    ),
    "arguments twice": Stream(
        called('{"city":"Paris"} {"city":"Paris"}'), calls=(("weather", PARIS),), reason="tool_use", sdk=False
    ),
    "JSON of JSON": Stream(
        called('"{\\"city\\":\\"Paris\\"}"'), calls=(("weather", PARIS),), reason="tool_use", sdk=False
    ),
    "a control token behind": Stream(
        called('{"city":"Paris"}<|call|>'), calls=(("weather", PARIS),), reason="tool_use", sdk=False
    ),
    "two different objects": Stream(
        called('{"a":1}{"b":2}'), calls=(("weather", None),), reason="tool_use", sdk=False
    ),
    "a number that is no JSON": Stream(
        called('{"n":NaN}'), calls=(("weather", {"n": None}),), reason="tool_use", sdk=False
    ),
}
ERRORS = {
    "an error field of SSE, llama.cpp": Stream(
        HI + b'error: {"code":500,"message":"the context is full","type":"server_error"}\n\n',
        "Hi",
        error="provider_unavailable",
        words="the context is full",
    ),
    "an event called error": Stream(
        HI + b'event: error\ndata: {"message":"slow down","status_code":429}\n\n',
        "Hi",
        error="rate_limited",
        words="slow down",
    ),
    "an event called error in plain words": Stream(
        HI + b"event: error\ndata: the worker died\n\n",
        "Hi",
        error="provider_unavailable",
        words="the worker died",
    ),
    "detail, FastAPI": Stream(
        HI + b'data: {"detail":"the engine is dead"}\n\n',
        "Hi",
        error="provider_unavailable",
        words="the engine is dead",
    ),
    "a list of details": Stream(
        b'data: {"detail":[{"loc":["body"],"msg":"field required"}],"code":422}\n\n',
        error="provider_rejected",
        words="field required",
    ),
    "msg and code": Stream(
        b'data: {"code":400,"msg":"no such voice"}\n\n', error="provider_rejected", words="no such voice"
    ),
    "an error of a choice, OpenRouter": Stream(
        HI
        + openai_event(
            {
                "choices": [
                    {
                        "index": 0,
                        "delta": {"content": ""},
                        "finish_reason": "error",
                        "error": {"code": 502, "message": "the upstream left"},
                    }
                ]
            }
        ),
        "Hi",
        error="provider_unavailable",
        words="the upstream left",
    ),
    "an error without words": Stream(
        HI + b'data: {"error":{"code":503}}\n\n', "Hi", error="provider_unavailable", words="without a reason"
    ),
    "no JSON": Stream(
        HI + b"data: upstream connect error\n\n",
        "Hi",
        error="unreadable_response",
        words="upstream connect error",
    ),
    "an error with half an emoji": Stream(
        b'data: {"error":{"code":400,"message":"bad \\ud83d"}}\n\n',
        error="provider_rejected",
        words="bad \ufffd",
    ),
}
COUNTED = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
USAGES = {
    "x_groq": Stream(
        HI + openai_chunk({}, "stop", x_groq={"id": "r", "usage": COUNTED}), "Hi", usage=Usage(9, 1)
    ),
    "its own chunk": Stream(HI + STOP + openai_usage(9, 1, 4) + OPENAI_DONE, "Hi", usage=Usage(9, 1, 4)),
    "in the choice, Moonshot": Stream(
        HI
        + openai_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": COUNTED}]})
        + OPENAI_DONE,
        "Hi",
        usage=Usage(9, 1),
    ),
    "the names of Anthropic": Stream(
        HI + openai_chunk({}, "stop", usage={"input_tokens": 9, "output_tokens": 1}),
        "Hi",
        usage=Usage(9, 1),
        sdk=False,
    ),
    "the cache of DeepSeek": Stream(
        HI + openai_chunk({}, "stop", usage=COUNTED | {"prompt_cache_hit_tokens": 8}),
        "Hi",
        usage=Usage(9, 1, 8),
    ),
    "reasoning in the total alone, Gemini": Stream(
        HI + openai_chunk({}, "stop", usage=COUNTED | {"total_tokens": 110}), "Hi", usage=Usage(9, 101)
    ),
    "timings of llama.cpp": Stream(
        HI + openai_chunk({}, "stop", timings={"prompt_n": 4, "cache_n": 5, "predicted_n": 1}),
        "Hi",
        usage=Usage(9, 1, 5),
    ),
    "numbers with a point": Stream(
        HI + openai_chunk({}, "stop", usage={"prompt_tokens": 9.0, "completion_tokens": 1.0}),
        "Hi",
        usage=Usage(9, 1),
        sdk=False,
    ),
    "zeros of a server that does not count": Stream(
        HI + openai_chunk({}, "stop", usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
        "Hi",
    ),
    "none": Stream(HI + END, "Hi"),
    "a good one before a bad one": Stream(
        HI
        + openai_chunk({}, "stop", usage=COUNTED)
        + openai_chunk({}, choices=[], usage={"prompt_tokens": None}),
        "Hi",
        usage=Usage(9, 1),
        sdk=False,
    ),
}
REASONING = {
    "thinking": Stream(openai_chunk({"thinking": "Hm"}) + HI + END, "Hi", "Hm"),
    "details beside their text, OpenRouter": Stream(
        openai_chunk(
            {
                "content": "",
                "reasoning": "Hm",
                "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "index": 0, "format": "x"}],
            }
        )
        + HI
        + END,
        "Hi",
        "Hm",
    ),
    "details alone": Stream(
        openai_chunk({"reasoning_details": [{"type": "reasoning.summary", "summary": "Hm"}]})
        + openai_chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "AAAA"}]})
        + HI
        + END,
        "Hi",
        "Hm",
    ),
    "Mistral's parts": Stream(
        openai_chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]})
        + openai_chunk({"content": [{"type": "thinking", "thinking": "."}, {"type": "text", "text": "Hi"}]})
        + END,
        "Hi",
        "Hm.",
        sdk=False,
    ),
}
CHAT_STREAMS: dict[str, Stream] = {
    "an ordinary answer": Stream(b"".join(openai_answer(["H", "i"])), "Hi", usage=Usage(11, 2, 3)),
    **KEEP_ALIVES,
    **TEXTS,
    **ENDS,
    **CALLS,
    **ERRORS,
    **USAGES,
    **REASONING,
}
