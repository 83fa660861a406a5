"""Branches of a conversation: answering a question again, and choosing the active branch."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from millrace.api.schemas.conversations import AcceptedMessage, AgentAnswer, SelectedBranch, WaitingAnswer
from millrace.client.answers import model
from millrace.client.calls import Call, Request, given, new_key, path
from millrace.client.follow import Cursor
from millrace.client.operations import IO, Resource, RunWatch, operation, run_stream
from millrace.client.resources.plans import run_plan
from millrace.domain.event_types import RunEvent
from millrace.domain.events import Detail

Content = str | Sequence[Mapping[str, Any]]
"""A text, or parts: texts, images and files (see docs/files.md)."""
IfBusy = Literal["reject", "inject", "interrupt"]
BASE = "/api/conversations"
LONGEST_ANSWER = 900.0
"""The seconds for which a function may work on one answer."""


def read_answer(data: Any) -> AgentAnswer | WaitingAnswer | AcceptedMessage:
    """Read an answer; one that waits for people; or the live message that the message became."""
    if "waiting" in data:
        return model(WaitingAnswer)(data)
    return model(AcceptedMessage)(data) if "role" not in data else model(AgentAnswer)(data)


def answer_request(
    where: str, conversation_id: str, body: dict[str, Any], detail: Detail | None, idempotency_key: str | None
) -> Request:
    """Return the request that starts an answer, by its path below the conversation's."""
    target = path(BASE + "/{}/" + where, conversation_id)
    return Request("POST", target, given(detail=detail), body, headers=new_key(idempotency_key))


class Branches(Resource[IO]):
    """The part of `client.conversations` that deals with branches."""

    @operation
    def regenerate(
        self,
        conversation_id: str,
        message_id: str | None = None,
        *,
        agent_id: str | None = None,
        thread_id: str | None = None,
        if_busy: IfBusy | None = None,
        response_schema: Mapping[str, Any] | None = None,
        detail: Detail | None = None,
        idempotency_key: str | None = None,
    ) -> Call[AgentAnswer | WaitingAnswer | AcceptedMessage]:
        """Answer a question again, in a new branch, and wait for the whole answer."""
        body = _again(message_id, agent_id, thread_id, if_busy, response_schema)
        request = answer_request("regenerate", conversation_id, body, detail, idempotency_key)
        return Call(request, read_answer, LONGEST_ANSWER)

    @run_stream
    def regenerate_stream(
        self,
        conversation_id: str,
        message_id: str | None = None,
        *,
        agent_id: str | None = None,
        thread_id: str | None = None,
        if_busy: IfBusy | None = None,
        response_schema: Mapping[str, Any] | None = None,
        detail: Detail | None = None,
        idempotency_key: str | None = None,
        through_waiting: bool = False,
    ) -> RunWatch[RunEvent]:
        """Answer a question again, and stream the answer; see `send_message_stream`."""
        body = _again(message_id, agent_id, thread_id, if_busy, response_schema)
        request = answer_request("regenerate", conversation_id, body, detail, idempotency_key)
        return RunWatch(run_plan(request, detail, through_waiting), Cursor())

    @operation
    def select(
        self, conversation_id: str, message_id: str, *, thread_id: str | None = None
    ) -> Call[SelectedBranch]:
        """Make the branch with a message the active one, which the next message continues."""
        where = path(BASE + "/{}/branch", conversation_id)
        request = Request("PUT", where, given(threadId=thread_id), {"messageId": message_id})
        return Call(request, model(SelectedBranch))


def _again(
    message_id: str | None,
    agent_id: str | None,
    thread_id: str | None,
    if_busy: IfBusy | None,
    response_schema: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return given(
        messageId=message_id,
        agentId=agent_id,
        threadId=thread_id,
        ifBusy=if_busy,
        responseSchema=response_schema,
    )
