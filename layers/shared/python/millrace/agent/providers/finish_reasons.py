"""Finish reasons of models, in the terms of every server that we know.

One table is enough, because many servers speak each protocol: a gateway passes on the reason of the model
behind it. A reason that is not listed never counts as a complete answer: it becomes `other`.
"""

import logging

from millrace.agent.model import FinishReason
from millrace.agent.providers.failures import Server, failure, incomplete

log = logging.getLogger(__name__)
_MEANINGS: dict[FinishReason, tuple[str, ...]] = {
    "stop": ("stop", "end_turn", "stop_sequence", "eos", "eos_token", "end", "complete", "completed"),
    "tool_use": ("tool_use", "tool_calls", "tool_call", "function_call"),
    "max_tokens": (
        "length",
        "max_tokens",
        "max_length",
        "max_output_tokens",
        "model_length",  # Mistral: the context is full
        "model_context_window_exceeded",
    ),
    "refusal": (
        "refusal",
        "content_filter",
        "content_filtered",
        "guardrail_intervened",
        "safety",
        "sensitive",  # Zhipu
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "image_safety",
    ),
}
_REASONS = {word: reason for reason, words in _MEANINGS.items() for word in words}
_CUT_OFF = frozenset({"abort", "aborted", "cancelled", "canceled", "timeout", "unload", "load"})
"""The server dropped the request: vLLM and SGLang on shutdown, Ollama when it unloads the model."""
_UNAVAILABLE = frozenset({"error", "insufficient_system_resource", "network_error", "server_error"})
_MALFORMED = ("malformed_", "unexpected_tool_call", "too_many_tool_calls", "invalid_tool_call")
"""The model wrote a tool call that its server cannot read. When asked again, it may write a valid one."""
_ENUM_PREFIX = "finish_reason_"


def is_given(word: object) -> bool:
    """Return whether a server gave a reason: some send "" or "null" with every chunk but the last."""
    return bool(word) and word != "null"


def finish_reason(server: Server, word: str) -> FinishReason:
    """Return the meaning of a server's reason. Raises `ProviderError` if it says that the answer failed."""
    plain = word.strip().lower().removeprefix(_ENUM_PREFIX)
    if plain in _CUT_OFF:
        raise incomplete(server, f"it gave the reason {word!r:.80}")
    if plain in _UNAVAILABLE:
        raise failure(server, 503, f"the model failed in the middle of its answer ({word:.80})")
    if plain.startswith(_MALFORMED):
        raise failure(server, 424, f"the model's answer is not valid ({word:.80})")
    if plain not in _REASONS:
        log.warning("%s ended an answer for the unknown reason %.80r", server.name, word)
    return _REASONS.get(plain, "other")
