"""Converts messages of A2A clients to ours, and the history of a run to theirs."""

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from a2a.types.a2a_pb2 import Message, Part, Role, SendMessageRequest
from a2a.utils.errors import ContentTypeNotSupportedError, InvalidParamsError
from google.protobuf.json_format import MessageToDict

from millrace.domain.approvals import WaitingCall
from millrace.domain.clock import from_iso
from millrace.domain.content import Attachment, attached, attachment
from millrace.domain.conversations import StoredMessage
from millrace.domain.media import FILE_TYPES, IMAGE_TYPES
from millrace.domain.runs import Run
from millrace.domain.tasks import CLIENT, TaskMessage
from millrace.errors import UnsupportedMedia

INPUT_MODES = tuple(dict.fromkeys(["text/plain", "application/json", *IMAGE_TYPES, *FILE_TYPES]))
OUTPUT_MODES = ("text/plain", "application/json")
_ANSWER = frozenset({"callId", "decision", "arguments", "content", "reason"})


def read_message(request: SendMessageRequest) -> TaskMessage:
    """Return the message of a client. Raises `InvalidParamsError` or `ContentTypeNotSupportedError`."""
    message = request.message
    if message.role != Role.ROLE_USER:
        raise InvalidParamsError("message.role must be ROLE_USER: the agent writes its own messages.")
    if len(message.message_id) > 200:
        raise InvalidParamsError("message.messageId must not exceed 200 characters.")
    _check_modes(request.configuration.accepted_output_modes)
    texts, answers, attachments = [], [], []
    for number, part in enumerate(message.parts):
        if data := _answer_of(part):
            answers.append(data)
        elif part.WhichOneof("content") in ("url", "raw"):
            attachments.append(_attachment_of(part, number))
        else:
            texts.append(_text_of(part, number))
    return TaskMessage(
        message.message_id,
        "\n".join(texts).strip(),
        tuple(answers),
        tuple(attachments),
        message.task_id,
        message.context_id,
    )


def _attachment_of(part: Part, number: int) -> Attachment:
    """Return the image or file that a part contains or refers to."""
    data = base64.b64encode(part.raw).decode() if part.raw else None
    try:
        return attachment(
            part.media_type or None, url=part.url or None, data=data, name=part.filename or None
        )
    except UnsupportedMedia as error:
        raise ContentTypeNotSupportedError(f"message.parts[{number}]: {error.message}") from error


def _check_modes(accepted: Iterable[str]) -> None:
    modes = [mode.partition(";")[0].strip().lower() for mode in accepted]
    fitting = [mode for mode in modes if mode in OUTPUT_MODES or mode in ("*/*", "text/*", "text/markdown")]
    if modes and not fitting:
        raise ContentTypeNotSupportedError(
            f"None of the accepted output modes is available: {', '.join(modes)}. "
            f"The agent answers in {' or '.join(OUTPUT_MODES)}."
        )


def _answer_of(part: Part) -> dict[str, Any] | None:
    if part.WhichOneof("content") != "data":
        return None
    data = _data_of(part)
    return data if isinstance(data, dict) and "decision" in data and set(data) <= _ANSWER else None


def _data_of(part: Part) -> Any:
    """Return the data of a part with integers restored, as protobuf turns 5 into 5.0."""
    return _with_integers(MessageToDict(part.data))


def _with_integers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_integers(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_integers(one) for one in value]
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**53
    return int(value) if is_whole else value


def _text_of(part: Part, number: int) -> str:
    kind = part.WhichOneof("content")
    media = part.media_type.partition(";")[0].strip().lower()
    if kind == "text" and (not media or media.startswith("text/") or media in INPUT_MODES):
        return part.text
    if kind == "data":
        return orjson.dumps(_data_of(part)).decode()
    if kind is None:
        raise InvalidParamsError(f"message.parts[{number}] has no content: it needs text or data.")
    raise ContentTypeNotSupportedError(
        f"message.parts[{number}] is {media or kind}; the agent accepts {' and '.join(INPUT_MODES)}."
    )


def history(run: Run, messages: Iterable[StoredMessage], calls: Iterable[WaitingCall]) -> list[Message]:
    """Return the messages between the client and the agent in one run, in order. The answer itself is not
    included, as it is an artifact."""
    said = [*_spoken_messages(run, messages), *(one for call in calls for one in _call_messages(run, call))]
    return [message for _, message in sorted(said, key=lambda one: one[0])]


def _spoken_messages(run: Run, messages: Iterable[StoredMessage]) -> Iterator[tuple[int, Message]]:
    for message in messages:
        parts = [part for block in message.content if (part := _part_of(block))]
        if message.role == "user" and message.run_id == run.id and parts:
            known = message.content[0].get("providerData", {}).get(CLIENT, {})
            id = known.get("messageId", message.id)
            yield from_iso(message.created_at), _message(run, id, Role.ROLE_USER, *parts)


def _part_of(block: dict[str, Any]) -> Part | None:
    if "text" in block:
        return Part(text=block["text"])
    file = attached(block) or {}
    if "url" not in file:
        return None
    return Part(url=file["url"], media_type=file.get("mediaType", ""), filename=file.get("name", ""))


def _call_messages(run: Run, call: WaitingCall) -> Iterator[tuple[int, Message]]:
    hidden = call.visibility == "answer" and call.kind == "approval"
    question = call.prompt or f"Approve the call of the tool{'' if hidden else f' {call.name}'}?"
    id = f"{run.id}.{call.call_id}"
    yield call.requested_ms, _message(run, id, Role.ROLE_AGENT, Part(text=question))
    if call.answer and call.answer.by:
        content = call.answer.content if call.answer.content is not None else call.answer.reason
        said = content if isinstance(content, str) else orjson.dumps(content).decode() if content else ""
        text = said or call.answer.decision
        yield from_iso(call.answer.at), _message(run, f"{id}.answer", Role.ROLE_USER, Part(text=text))


def _message(run: Run, id: str, role: Role, *parts: Part) -> Message:
    return Message(
        message_id=id,
        context_id=run.slot.conversation_id,
        task_id=run.id,
        role=role,
        parts=parts,
    )
