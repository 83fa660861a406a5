"""Interrupts of LangGraph as questions to people, and their answers in LangGraph's form."""

from collections.abc import Sequence
from typing import Any

from langgraph.types import Interrupt
from pydantic_core import to_json

from millrace.agent.code.record import Answer, Entry, RecordedTurn, key_of
from millrace.app import AgentContext, ToolAnswer, ToolError
from millrace.domain.approvals import ASK_USER

QUESTION_CHARACTERS = 4_000
_SAYS = ("question", "query", "message", "description", "action", "prompt")


async def answer_of(ctx: AgentContext, interrupt: Interrupt, answers: "Answers") -> Any:
    """Return the answer to an interrupt, as the value of `Command(resume=...)`. If a person rejects the
    question, it is False or, for a review of tool calls, the decision `reject`."""
    value = interrupt.value
    if isinstance(value, dict) and isinstance(value.get("action_requests"), list):
        reviews = {one["action_name"]: one for one in value.get("review_configs", [])}
        decisions = []
        for action in value["action_requests"]:
            allowed = reviews.get(action["name"], {}).get("allowed_decisions", ["approve", "reject"])
            decisions.append(await _decision(ctx, action, allowed, answers))
        return {"decisions": decisions}
    try:
        return (await answers.ask(ctx, _question(value), _options(value))).value
    except ToolError:
        return False


async def _decision(
    ctx: AgentContext, action: dict[str, Any], allowed: Sequence[str], answers: "Answers"
) -> dict[str, Any]:
    call = f"{action['name']}({', '.join(f'{name}={value!r}' for name, value in action['args'].items())})"
    question = f"May {call} be called?"
    if action.get("description"):
        question += f"\n{action['description']}"
    options = [one for one in ("approve", "reject") if one in allowed]
    try:
        given = (await answers.ask(ctx, question, options)).value
    except ToolError as error:
        return {"type": "reject", "message": error.message}
    if isinstance(given, dict) and given.get("type") in allowed:
        return given
    if given in options:
        return {"type": given}
    return {"type": "respond" if "respond" in allowed else "reject", "message": str(given)}


def _question(value: Any) -> str:
    if isinstance(value, dict):
        value = next((value[name] for name in _SAYS if isinstance(value.get(name), str)), value)
    text = value if isinstance(value, str) else to_json(value, fallback=str).decode()
    return text[:QUESTION_CHARACTERS] or "May I continue?"


def _options(value: Any) -> list[str] | None:
    given = value.get("options") if isinstance(value, dict) else None
    fits = isinstance(given, list) and 0 < len(given) <= 20 and all(isinstance(one, str) for one in given)
    return given if fits else None


class Answers:
    """The answers since the graph last finished a node, by their questions. A run leaves its process while it
    waits for people, and the next process finds the answers in the history."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._known: dict[Any, list[Answer]] = {}
        asked: dict[str, Any] = {}
        for entry in entries:
            if isinstance(entry, RecordedTurn):
                if any(name != ASK_USER for name, _ in entry.calls.values()):
                    asked, self._known = {}, {}
                asked |= {id: key for id, key in entry.calls.items() if key[0] == ASK_USER}
            elif isinstance(entry, Answer) and entry.call_id in asked:
                self._known.setdefault(asked[entry.call_id], []).append(entry)

    async def ask(self, ctx: AgentContext, question: str, options: Sequence[str] | None) -> ToolAnswer:
        """Return the answer to a question. Raises `ToolError` if it was rejected."""
        arguments = {"question": question} | ({"options": list(options)} if options else {})
        if known := self._known.get(key_of(ASK_USER, arguments)):
            return ToolAnswer.of(known.pop(0), ASK_USER)
        return await ctx.ask_user(question, options)
