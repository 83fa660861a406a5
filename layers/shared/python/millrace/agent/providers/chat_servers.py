"""Dialects of the chat completions protocol: the differences in what servers accept in a request.

The dialect is known by a server's host; a server of one's own may be given one (`OPENAI_SERVERS`).
"""

from typing import Literal

from msgspec import Struct

Replay = Literal["nothing", "calls", "always"]


class ChatDialect(Struct, frozen=True):
    """A dialect.

    `limit_key` is the name of the limit of output tokens, `stream_options` says that this field is taken.
    `reasoning` tells which turns get back the reasoning that led to them: none, those with tool calls since
    the question, or every one (and an empty text where there is none). `short_ids` wants ids of nine
    letters and digits, `signs_calls` a signature with a turn's calls; `user_after_tools` is false where the
    result of a tool must not be followed by a user's message. `pdf` says that it takes files in PDF,
    `image_urls` that it fetches images itself. `schema` is the kind of structured output it has,
    `schema_with_tools` says that tools may stand beside it."""

    limit_key: str = "max_tokens"
    stream_options: bool = True
    reasoning: Replay = "calls"
    short_ids: bool = False
    signs_calls: bool = False
    user_after_tools: bool = True
    schema: Literal["json_schema", "json_object", "none"] = "json_schema"
    schema_with_tools: bool = False
    pdf: bool = False
    image_urls: bool = False


DIALECTS: dict[str, ChatDialect] = {
    "generic": ChatDialect(),
    # Its reasoning models refuse `max_tokens`, here and on Azure.
    "openai": ChatDialect(
        limit_key="max_completion_tokens",
        reasoning="nothing",
        schema_with_tools=True,
        pdf=True,
        image_urls=True,
    ),
    "azure": ChatDialect(
        limit_key="max_completion_tokens",
        reasoning="nothing",
        schema_with_tools=True,
        pdf=True,
        image_urls=True,
    ),
    # Its thinking models refuse (400) an assistant turn without `reasoning_content`, even an empty one.
    "deepseek": ChatDialect(reasoning="always", schema="json_object"),
    # It refuses a tool call without the signature that the call came with.
    "gemini": ChatDialect(signs_calls=True, reasoning="nothing"),
    # Unknown fields are refused: "property 'reasoning' is unsupported".
    "groq": ChatDialect(reasoning="nothing"),
    # It refuses unknown fields, ids other than nine letters and digits, and a user's message directly behind
    # a tool's result.
    "mistral": ChatDialect(stream_options=False, reasoning="nothing", short_ids=True, user_after_tools=False),
    "openrouter": ChatDialect(schema_with_tools=True, pdf=True, image_urls=True),
}
_HOSTS = {
    "api.openai.com": "openai",
    ".openai.azure.com": "azure",
    ".cognitiveservices.azure.com": "azure",
    ".services.ai.azure.com": "azure",
    "api.deepseek.com": "deepseek",
    "generativelanguage.googleapis.com": "gemini",
    "aiplatform.googleapis.com": "gemini",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "openrouter.ai": "openrouter",
}


def dialect_of(host: str) -> str:
    """The name of a host's dialect."""
    return next((name for suffix, name in _HOSTS.items() if host.endswith(suffix)), "generic")
