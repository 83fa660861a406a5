"""The input items of a response, and a response whose events have expired: both from the history."""

from typing import Any

from millrace.domain.content import plain_text
from millrace.domain.conversations import StoredMessage
from millrace.domain.events import Detail
from millrace.domain.projection import capped, project_message
from millrace.domain.runs import Run
from millrace.protocols.openai.calls import approval_id, exposed_call_id
from millrace.protocols.openai.envelope import Envelope, usage_of
from millrace.stores.connect import Stores
from millrace.stores.runs import stream_of

PAGE = 100
Json = dict[str, Any]


async def input_items(stores: Stores, run: Run, after: int) -> list[Json]:
    """Return the user's message of a run, or the answers after which a part of it continues."""
    if after:
        return await _answers(stores, run, after)
    own = await _messages(stores, run)
    question = next((one for one in own if one.role == "user"), None)
    if question is None:
        return []
    content = [{"type": "input_text", "text": plain_text(question.content)}]
    return [{"id": question.id, "type": "message", "role": "user", "status": "completed", "content": content}]


async def _answers(stores: Stores, run: Run, after: int) -> list[Json]:
    events = await stores.log.read(stream_of(run.slot.organization, run.id), after - 1, limit=1)
    asked = {
        call["callId"] for entry in events if entry.seq == after for call in entry.event.get("calls", ())
    }
    calls = [call for call in await stores.approvals.of_run(run.slot, run.id) if call.call_id in asked]
    found: list[Json] = []
    for call in calls:
        if call.answer is None:
            continue
        if call.kind == "approval":
            item: Json = {
                "type": "mcp_approval_response",
                "approval_request_id": approval_id(run.id, call.call_id),
                "approve": call.answer.decision == "approve",
                "reason": call.answer.reason,
            }
        else:
            output = call.answer.content if call.answer.decision == "answer" else call.answer.reason
            item = {
                "type": "function_call_output",
                "call_id": exposed_call_id(run.id, call.call_id),
                "output": output if isinstance(output, str) else str(output or ""),
                "status": "completed",
            }
        found.append({"id": f"in_{call.call_id}"} | item)
    return found


async def kept_response(stores: Stores, run: Run, after: int, detail: Detail) -> Json:
    """Return the response of a run that has ended, reconstructed from its messages."""
    shown = capped(detail, run.visibility)
    said = [project_message(one, shown) for one in await _messages(stores, run) if one.role == "assistant"]
    texts = [plain_text(one["content"]) for one in said if one]
    envelope = Envelope(run, after)
    output = [_message(f"msg_{envelope.id}_{number}", text) for number, text in enumerate(texts) if text]
    if run.error:
        error = {"code": "server_error", "message": run.error["message"], "millrace_code": run.error["code"]}
        return envelope.to_json("failed", output, error=error)
    status = "completed" if run.state == "completed" else "cancelled"
    return envelope.to_json(status, output, usage=usage_of(run.usage))


def _message(id: str, text: str) -> Json:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"id": id, "type": "message", "role": "assistant", "status": "completed", "content": content}


async def _messages(stores: Stores, run: Run) -> list[StoredMessage]:
    """Return the messages of one run."""
    found: list[StoredMessage] = []
    after, more = 0, True
    while more:
        page, more = await stores.messages.page(run.slot, after, PAGE)
        found += [message for _, message in page if message.run_id == run.id]
        after = page[-1][0] if page else after
        more = more and not (found and page and page[-1][1].run_id not in (run.id, None))
    return found
