"""Ids of calls as clients return them. They contain the run, since nothing else in a stateless request names
it."""

from typing import Any

import orjson

from millrace.domain.approvals import REASON_CHARACTERS, GivenAnswer, Kind
from millrace.domain.events import Event
from millrace.domain.json_reader import read_shallow

REQUEST_APPROVAL = "request_approval"
"""The function that stands for one of our tools that needs an approval, in chat completions. Its arguments
are `{name, arguments}`, and its result is `approve`, `reject`, or an object of `POST
/api/runs/{id}/answers`."""
_APPROVAL = "mcpr_"
_YES = frozenset({"approve", "approved", "yes", "true"})


def exposed_call_id(run_id: str, call_id: str) -> str:
    """Return the id of a call together with its run's."""
    return f"{call_id}.{run_id}"


def approval_id(run_id: str, call_id: str) -> str:
    """Return the id of the request to approve a call, in responses."""
    return f"{_APPROVAL}{exposed_call_id(run_id, call_id)}"


def parse_call_id(text: str) -> tuple[str, str]:
    """Return the run and the call that an id names. The run is empty if the id is not ours."""
    call_id, _, run_id = text.removeprefix(_APPROVAL).partition(".")
    return run_id, call_id


def shown_here(event: Event) -> bool:
    """Return whether to show an event. Of sub-agents, only their questions to people are shown."""
    return "parent" not in event or event["type"] == "approval_requested"


def question_of(event: Event) -> dict[str, Any]:
    """Return the arguments of `ask_user` from the event of the waiting question."""
    asked = {"question": event.get("prompt"), "options": event.get("options"), "schema": event.get("schema")}
    return {name: value for name, value in asked.items() if value is not None}


def answer_of(kind: Kind, call_id: str, output: str) -> GivenAnswer:
    """Return the answer to a call from the result of a function."""
    if kind != "approval":
        return GivenAnswer(call_id, "answer", content=output)
    given = _object(output)
    if given.get("decision") in ("approve", "reject"):
        arguments, reason = given.get("arguments"), given.get("reason")
        return GivenAnswer(
            call_id,
            given["decision"],
            arguments=arguments if isinstance(arguments, dict) else None,
            reason=str(reason)[:REASON_CHARACTERS] if reason else None,
        )
    if output.strip().strip('"').lower() in _YES:
        return GivenAnswer(call_id, "approve")
    reason = output if output.strip().strip('"').lower() != "reject" else None
    return GivenAnswer(call_id, "reject", reason=reason[:REASON_CHARACTERS] if reason else None)


def _object(text: str) -> dict[str, Any]:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    found = read_shallow(text.encode(), "The result")
    return found if isinstance(found, dict) else {}
