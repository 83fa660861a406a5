"""Structured output: an answer that is JSON with the schema that an agent or a message requests."""

import re
from collections.abc import Callable
from typing import Any

import orjson
from msgspec import Struct

from millrace.agent.model import Block, ModelRequest
from millrace.agent.providers.lenient_json import parse_value
from millrace.domain.conversations import StoredMessage
from millrace.errors import InvalidRequest

OUTPUT_BYTES = 256 * 1024
"""The maximum size of an output as JSON, since it is part of the run's last event."""
_FENCE = re.compile(r"```[a-z]*[^\S\n]*\n(.*?)```", re.DOTALL)
_AGAIN = """Your answer does not fit what was asked for: {problem}
Answer again with nothing but one JSON value that fits the schema."""


class OutputFormat(Struct, frozen=True):
    """The JSON Schema of an answer, and the function that checks a value and raises `InvalidRequest`."""

    schema: dict[str, Any]
    check: Callable[[Any], None]

    def read(self, text: str) -> Any:
        """Return the value of an answer. Raises `InvalidRequest` with a message for the model."""
        if len(text.encode()) > OUTPUT_BYTES:
            raise InvalidRequest(f"The answer must not exceed {OUTPUT_BYTES:,} bytes.")
        value = _value(text)
        self.check(value)
        return value


class Output(Struct, frozen=True):
    """The value of an answer that matches the schema; null is a value too."""

    value: Any


def _value(text: str) -> Any:
    """Return the JSON of an answer, which some models put into a code block or between sentences."""
    fenced = _FENCE.search(text)
    beginnings = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    inner = text[min(beginnings) : max(text.rfind("}"), text.rfind("]")) + 1] if beginnings else ""
    # From the strictest to the loosest: an answer that is JSON may have braces and fences in its strings.
    for candidate in (text.strip(), fenced[1].strip() if fenced else "", inner):
        try:
            return parse_value(candidate)
        except ValueError:
            continue
    raise InvalidRequest("The answer is not JSON.")


def asked_again(content: list[Block], problem: str) -> list[StoredMessage]:
    """Return the turns that request the answer again. They are not stored."""
    question: list[Block] = [{"text": _AGAIN.format(problem=problem)}]
    return [StoredMessage("", "assistant", content, ""), StoredMessage("", "user", question, "")]


def instruction(request: ModelRequest) -> str:
    """Return the system prompt with the schema in words, for servers that accept it in no other way."""
    if request.response_schema is None:
        return request.system
    schema = orjson.dumps(request.response_schema).decode()
    asked = f"Answer with nothing but one JSON value that fits this JSON Schema:\n{schema}"
    return f"{request.system}\n\n{asked}".strip()


# Strict modes refuse a schema with any other keyword instead of ignoring it.
_PLAIN_WORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "allOf"}
    | {"$ref", "$defs", "description", "title"}
)


def is_plain(schema: Any) -> bool:
    """Return whether servers can enforce a schema: it has no bounds or patterns, and its objects list all
    their fields and require each of them."""
    if isinstance(schema, list):
        return all(map(is_plain, schema))
    if not isinstance(schema, dict):
        return True
    if schema.keys() - _PLAIN_WORDS:
        return False
    fields = schema.get("properties", {})
    if "properties" in schema or schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        if not closed or set(schema.get("required", ())) != set(fields):
            return False
    parts = [*fields.values(), *schema.get("$defs", {}).values(), schema.get("items"), schema.get("anyOf")]
    return all(is_plain(part) for part in [*parts, schema.get("allOf")])
