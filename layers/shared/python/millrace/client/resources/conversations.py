"""Conversations, and the messages in them."""

from collections.abc import Mapping
from typing import Any, Literal

from millrace.api.schemas.conversations import (
    AcceptedMessage,
    AgentAnswer,
    Conversation,
    ConversationPage,
    LiveMessage,
    LiveMessagePage,
    Message,
    MessagePage,
    SharePage,
    StoppedRun,
    WaitingAnswer,
)
from millrace.client.answers import model, nothing
from millrace.client.calls import Call, Request, given, new_key, path
from millrace.client.follow import Cursor, Plan
from millrace.client.operations import IO, Listing, RunWatch, listing, operation, run_stream
from millrace.client.resources.branches import (
    BASE,
    LONGEST_ANSWER,
    Branches,
    Content,
    IfBusy,
    answer_request,
    read_answer,
)
from millrace.client.resources.plans import again, run_plan
from millrace.client.state import is_end
from millrace.domain.event_types import RunEvent
from millrace.domain.events import Detail


class Conversations(Branches[IO]):
    """`client.conversations`"""

    @operation
    def create(
        self,
        agent_id: str,
        *,
        id: str | None = None,
        title: str | None = None,
        metadata: Any = None,
        listed: bool | None = None,
    ) -> Call[Conversation]:
        """Create a conversation; with `listed=False`, it does not appear in lists. Sending a message to a
        new id also creates one."""
        body = given(agentId=agent_id, id=id, title=title, metadata=metadata, listed=listed)
        return Call(Request("POST", BASE, body=body), model(Conversation))

    @listing
    def list(
        self,
        *,
        owner: str | None = None,
        query: str | None = None,
        text: str | None = None,
        limit: int | None = None,
    ) -> Listing[Conversation]:
        """List your conversations, latest first; `owner` is another user, or `all`. `query` has words of the
        title, and `text` words of one message; each conversation then has its `matches`."""
        return Listing(
            Request("GET", BASE, given(owner=owner, q=query, text=text, limit=limit)), model(ConversationPage)
        )

    @operation
    def get(self, conversation_id: str) -> Call[Conversation]:
        """Read a conversation; `active_run_id` is its active run."""
        return Call(Request("GET", path(BASE + "/{}", conversation_id)), model(Conversation))

    @operation
    def change(
        self, conversation_id: str, *, title: str | None = None, metadata: Any = None
    ) -> Call[Conversation]:
        """Rename a conversation, or change its metadata."""
        body = given(title=title, metadata=metadata)
        where = path(BASE + "/{}", conversation_id)
        return Call(Request("PATCH", where, body=body, repeatable=True), model(Conversation))

    @operation
    def delete(self, conversation_id: str, *, restorable: bool = False) -> Call[None]:
        """Delete a conversation with everything that belongs to it, and stop its runs. With `restorable`, it
        is deleted after ten minutes."""
        query = {"restorable": True} if restorable else {}
        return Call(Request("DELETE", path(BASE + "/{}", conversation_id), query), nothing)

    @operation
    def restore(self, conversation_id: str) -> Call[Conversation]:
        """Undo a restorable deletion."""
        where = path(BASE + "/{}/restore", conversation_id)
        return Call(Request("POST", where, repeatable=True), model(Conversation))

    @listing
    def messages(
        self,
        conversation_id: str,
        *,
        thread_id: str | None = None,
        branch: str | None = None,
        detail: Detail | None = None,
        limit: int | None = None,
    ) -> Listing[Message]:
        """List messages, oldest first: of the active branch, or of the branch with a given message."""
        query = given(threadId=thread_id, branch=branch, detail=detail, limit=limit)
        return Listing(
            Request("GET", path(BASE + "/{}/messages", conversation_id), query), model(MessagePage)
        )

    @operation
    def send_message(
        self,
        conversation_id: str,
        content: Content,
        *,
        agent_id: str | None = None,
        thread_id: str | None = None,
        if_busy: IfBusy | None = None,
        response_schema: Mapping[str, Any] | None = None,
        parent_id: str | None = None,
        detail: Detail | None = None,
        idempotency_key: str | None = None,
    ) -> Call[AgentAnswer | WaitingAnswer | AcceptedMessage]:
        """Send a message, and wait for the whole answer. With `if_busy="inject"`, it may become a live
        message of the active run (`AcceptedMessage`). If the agent asks people, the result is a
        `WaitingAnswer`."""
        body = _body(content, agent_id, thread_id, if_busy, response_schema, parent_id)
        request = answer_request("messages", conversation_id, body, detail, idempotency_key)
        return Call(request, read_answer, LONGEST_ANSWER)

    @run_stream
    def send_message_stream(
        self,
        conversation_id: str,
        content: Content,
        *,
        agent_id: str | None = None,
        thread_id: str | None = None,
        if_busy: IfBusy | None = None,
        response_schema: Mapping[str, Any] | None = None,
        parent_id: str | None = None,
        detail: Detail | None = None,
        idempotency_key: str | None = None,
        through_waiting: bool = False,
    ) -> RunWatch[RunEvent]:
        """Send a message, and stream the answer. The stream ends with `done` or `error`, or with `waiting`
        if people are asked, unless `through_waiting` is set."""
        body = _body(content, agent_id, thread_id, if_busy, response_schema, parent_id)
        request = answer_request("messages", conversation_id, body, detail, idempotency_key)
        return RunWatch(run_plan(request, detail, through_waiting), Cursor())

    @run_stream
    def attach(
        self,
        conversation_id: str,
        *,
        thread_id: str | None = None,
        after: str | None = None,
        detail: Detail | None = None,
    ) -> RunWatch[RunEvent]:
        """Stream the active run, or the next one, to its end. With an event id as `after`, stream everything
        that followed it."""
        query = given(stream=True, threadId=thread_id, detail=detail)
        request = Request("GET", path(BASE + "/{}/messages", conversation_id), query)
        plan = again(request) if after else Plan(request, lambda cursor: request, is_end)
        return RunWatch(plan, Cursor(last_id=after))

    @run_stream
    def stream(
        self,
        conversation_id: str,
        *,
        thread_id: str | None = None,
        after: str | None = None,
        detail: Detail | None = None,
    ) -> RunWatch[RunEvent]:
        """Stream all runs of a conversation, one after another, until you close it."""
        query = given(threadId=thread_id, detail=detail)
        request = Request("GET", path(BASE + "/{}/stream", conversation_id), query)
        return RunWatch(again(request), Cursor(last_id=after))

    @operation
    def stop(self, conversation_id: str, *, thread_id: str | None = None) -> Call[StoppedRun]:
        """Stop the active run: it ends within about a second, and keeps what was said."""
        request = Request(
            "POST", path(BASE + "/{}/stop", conversation_id), given(threadId=thread_id), repeatable=True
        )
        return Call(request, model(StoppedRun))

    @operation
    def inject(
        self,
        conversation_id: str,
        content: Content,
        *,
        thread_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Call[LiveMessage]:
        """Send a live message to the active run. Raises `NotStreamingError` if there is none."""
        request = Request(
            "POST",
            path(BASE + "/{}/inject", conversation_id),
            given(threadId=thread_id),
            {"content": content},
            headers=new_key(idempotency_key),
        )
        return Call(request, model(LiveMessage))

    @operation
    def injected(self, conversation_id: str, *, thread_id: str | None = None) -> Call[LiveMessagePage]:
        """List the waiting live messages."""
        request = Request("GET", path(BASE + "/{}/inject", conversation_id), given(threadId=thread_id))
        return Call(request, model(LiveMessagePage))

    @operation
    def withdraw(self, conversation_id: str, message_id: str, *, thread_id: str | None = None) -> Call[None]:
        """Withdraw a live message that the agent has not seen."""
        where = path(BASE + "/{}/inject/{}", conversation_id, message_id)
        return Call(Request("DELETE", where, given(threadId=thread_id)), nothing)

    @operation
    def shares(self, conversation_id: str) -> Call[SharePage]:
        """List the users with whom a conversation is shared."""
        return Call(Request("GET", path(BASE + "/{}/shares", conversation_id)), model(SharePage))

    @operation
    def share(
        self, conversation_id: str, user_id: str, access: Literal["read", "write"] = "read"
    ) -> Call[None]:
        """Share a conversation with a user of the organization."""
        body = {"userId": user_id, "access": access}
        where = path(BASE + "/{}/shares", conversation_id)
        return Call(Request("POST", where, body=body, repeatable=True), nothing)

    @operation
    def unshare(self, conversation_id: str, user_id: str) -> Call[None]:
        """Stop sharing a conversation with a user."""
        where = path(BASE + "/{}/shares", conversation_id)
        return Call(Request("DELETE", where, {"userId": user_id}), nothing)


def _body(
    content: Content,
    agent_id: str | None,
    thread_id: str | None,
    if_busy: IfBusy | None,
    response_schema: Mapping[str, Any] | None,
    parent_id: str | None,
) -> dict[str, Any]:
    return given(
        content=content,
        agentId=agent_id,
        threadId=thread_id,
        ifBusy=if_busy,
        responseSchema=response_schema,
        parentId=parent_id,
    )
