"""Converts calls that wait for a person to questions for the user of an MCP client, and the answers back."""

from typing import Any

import orjson

from millrace.domain.approvals import GivenAnswer
from millrace.domain.events import Event
from millrace.errors import InvalidRequest

Json = dict[str, Any]
PREFIX = "ask"
ANSWER = "answer"
_PRIMITIVES = frozenset({"string", "number", "integer", "boolean"})


def question_id(run_id: str, call_id: str) -> str:
    """Return the id of a question. A run's id contains no colon."""
    return f"{PREFIX}:{run_id}:{call_id}"


def parse_question_id(text: object) -> tuple[str, str] | None:
    """Return the ids of the run and of the call that a question is about; None if it is not one of our
    questions."""
    parts = text.split(":", 2) if isinstance(text, str) else []
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == PREFIX else None


def question(asked: Event) -> Json:
    """Return the parameters of `elicitation/create` for an `approval_requested` event."""
    return {"mode": "form", "message": message_of(asked), "requestedSchema": _form(asked)}


def message_of(asked: Event) -> str:
    """Return the question in words."""
    if asked.get("prompt"):
        return str(asked["prompt"])
    if asked["kind"] == "input":
        return f"The step {asked['name']} waits for your input."
    arguments = asked.get("arguments")
    details = f" with {orjson.dumps(arguments).decode()}" if arguments else ""
    return f"May the agent run {asked.get('name') or 'a tool'}{details}?"


def _form(asked: Event) -> Json:
    if asked["kind"] == "approval":
        reason = {"type": "string", "title": "Reason", "description": "Shown to the agent"}
        return {"type": "object", "properties": {"reason": reason}}
    if _is_flat(asked.get("schema")):
        schema: Json = asked["schema"]
        return {name: schema[name] for name in ("type", "properties", "required") if name in schema}
    field: Json = {"type": "string", "title": "Answer"}
    if asked.get("options"):
        field["enum"] = list(asked["options"])
    return {"type": "object", "properties": {ANSWER: field}, "required": [ANSWER]}


def _is_flat(schema: Any) -> bool:
    """Return whether clients can show a form for a schema, which must be an object of plain values."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    fields = schema.get("properties")
    if not isinstance(fields, dict) or not fields:
        return False
    return all(isinstance(one, dict) and one.get("type") in _PRIMITIVES for one in fields.values())


def given_answer(call_id: str, kind: str, schema: Any, result: Any) -> GivenAnswer:
    """Return the answer in a user's `ElicitResult`. Raises `InvalidRequest` if it is not valid."""
    if not isinstance(result, dict) or result.get("action") not in ("accept", "decline", "cancel"):
        raise InvalidRequest("action must be accept, decline or cancel.", code="invalid_answer")
    content = result.get("content") or {}
    if not isinstance(content, dict):
        raise InvalidRequest("content must be an object.", code="invalid_answer")
    if result["action"] != "accept":
        reason = "The user declined." if result["action"] == "decline" else "The user dismissed the question."
        return GivenAnswer(call_id, "reject", reason=reason)
    if kind == "approval":
        words = content.get("reason")
        return GivenAnswer(call_id, "approve", reason=words if isinstance(words, str) and words else None)
    return GivenAnswer(call_id, "answer", content=content if _is_flat(schema) else _text(content, schema))


def _text(content: Json, schema: Any) -> Any:
    """Return the only field of a form for a value that is not a flat object. It is parsed as JSON unless the
    schema is a string's."""
    given = content.get(ANSWER)
    if not isinstance(given, str) or schema is None or schema.get("type") == "string":
        return given
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError:
        return given
