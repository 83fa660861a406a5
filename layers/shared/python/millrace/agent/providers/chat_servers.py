"""Dialects of the chat completions protocol: the differences in what servers accept in a request.

The dialect is recognized by a server's host; `OPENAI_SERVERS` can set it for a self-hosted server.
"""

from typing import Literal

from msgspec import Struct

Replay = Literal["nothing", "calls", "always"]


class ChatDialect(Struct, frozen=True):
    """A dialect.

    Attributes:
        limit_key: The name of the field that limits output tokens.
        stream_options: True if this field is accepted.
        reasoning: The turns that get back the reasoning that led to them: none, those with tool calls since
            the question, or all (with an empty text if there was none).
        short_ids: True if ids must have nine letters and digits.
        signs_calls: True if the calls of a turn must have a signature.
        user_after_tools: False if a user's message must not follow the result of a tool.
        pdf: True if PDF files are accepted.
        image_urls: True if the server fetches images itself.
        schema: The kind of structured output that it supports.
        schema_with_tools: True if structured output can be combined with tools.
    """

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
    # Its thinking models refuse (400) an assistant turn without `reasoning_content`, which may be empty.
    "deepseek": ChatDialect(reasoning="always", schema="json_object"),
    # It refuses a tool call without the signature that came with the call.
    "gemini": ChatDialect(signs_calls=True, reasoning="nothing"),
    # Unknown fields are refused: "property 'reasoning' is unsupported".
    "groq": ChatDialect(reasoning="nothing"),
    # It refuses unknown fields, ids other than nine letters and digits, and a user's message directly after a
    # tool's result.
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
    """Return the name of a host's dialect."""
    return next((name for suffix, name in _HOSTS.items() if host.endswith(suffix)), "generic")
