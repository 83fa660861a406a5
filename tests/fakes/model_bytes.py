"""The bytes that model servers send, built from their documented formats.

OpenAI's chat completions and Anthropic's Messages are server-sent events. Bedrock's ConverseStream has
event-stream frames with real CRCs.
"""

from binascii import crc32
from struct import pack
from typing import Any

import orjson

# --- OpenAI --------------------------------------------------------------------------------------


def openai_event(payload: Any) -> bytes:
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def openai_chunk(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    """Return a `chat.completion.chunk` with one choice."""
    return openai_event(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1760000000,
            "model": "fake",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        | more
    )


def openai_usage(prompt: int, completion: int, cached: int = 0) -> bytes:
    """Return the chunk without choices that `stream_options.include_usage` adds."""
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return openai_chunk({}, choices=[], usage=usage)


OPENAI_DONE = b"data: [DONE]\n\n"


def openai_answer(tokens: list[str]) -> list[bytes]:
    """Return a complete answer with one network chunk per token."""
    return [
        openai_chunk({"role": "assistant", "content": "", "refusal": None}),
        *(openai_chunk({"content": token}) for token in tokens),
        openai_chunk({}, "stop"),
        openai_usage(11, len(tokens), 3),
        OPENAI_DONE,
    ]


# --- Anthropic -----------------------------------------------------------------------------------


def anthropic_event(type: str, **fields: Any) -> bytes:
    return f"event: {type}\n".encode() + b"data: " + orjson.dumps({"type": type} | fields) + b"\n\n"


def anthropic_start(**usage: Any) -> bytes:
    return anthropic_event(
        "message_start",
        message={
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "fake",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 11, "output_tokens": 1} | usage,
        },
    )


def anthropic_block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    """Return a content block from its start to its stop."""
    return [
        anthropic_event("content_block_start", index=index, content_block=block),
        *(anthropic_event("content_block_delta", index=index, delta=delta) for delta in deltas),
        anthropic_event("content_block_stop", index=index),
    ]


def anthropic_text(index: int, tokens: list[str]) -> list[bytes]:
    deltas = [{"type": "text_delta", "text": token} for token in tokens]
    return anthropic_block(index, {"type": "text", "text": ""}, *deltas)


def anthropic_end(reason: str, output: int, **usage: Any) -> list[bytes]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [
        anthropic_event("message_delta", delta=delta, usage={"output_tokens": output} | usage),
        anthropic_event("message_stop"),
    ]


def anthropic_answer(tokens: list[str]) -> list[bytes]:
    """Return a complete answer with one network chunk per event."""
    ping = anthropic_event("ping")
    return [
        anthropic_start(),
        ping,
        *anthropic_text(0, tokens),
        *anthropic_end("end_turn", len(tokens)),
    ]


# --- Bedrock -------------------------------------------------------------------------------------


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Return a message of `application/vnd.amazon.eventstream`: lengths and their CRC, string headers,
    payload, and the CRC of everything."""
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    packed = b"".join(
        pack(">B", len(name)) + name + b"\x07" + pack(">H", len(value)) + value for name, value in encoded
    )
    prelude = pack(">II", 16 + len(packed) + len(payload), len(packed))
    prelude += pack(">I", crc32(prelude))
    message = prelude + packed + payload
    return message + pack(">I", crc32(message))


def bedrock_event(kind: str, payload: dict[str, Any]) -> bytes:
    # "p" is the padding that Bedrock adds against traffic analysis.
    return raw_bedrock_event(kind, orjson.dumps(payload | {"p": "abcdefghij"}))


def raw_bedrock_event(kind: str, payload: bytes) -> bytes:
    """Return an event with the raw payload."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, payload)


def bedrock_exception(kind: str, message: str) -> bytes:
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, orjson.dumps({"message": message}))


def bedrock_delta(index: int, **delta: Any) -> bytes:
    return bedrock_event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})


def bedrock_stop(index: int) -> bytes:
    return bedrock_event("contentBlockStop", {"contentBlockIndex": index})


def bedrock_end(reason: str, **usage: int) -> list[bytes]:
    counted = {"inputTokens": 11, "outputTokens": 3, "totalTokens": 14} | usage
    return [
        bedrock_event("messageStop", {"stopReason": reason}),
        bedrock_event("metadata", {"usage": counted, "metrics": {"latencyMs": 12}}),
    ]


def bedrock_answer(tokens: list[str]) -> list[bytes]:
    """Return a complete answer with one network chunk per event."""
    return [
        bedrock_event("messageStart", {"role": "assistant"}),
        *(bedrock_delta(0, text=token) for token in tokens),
        bedrock_stop(0),
        *bedrock_end("end_turn", outputTokens=len(tokens)),
    ]
