"""The chunks of a UI message stream, field by field, for the OpenAPI document."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class UiStart(TypedDict):
    """The message starts; `messageId` is the answer's id."""

    type: Literal["start"]
    messageId: NotRequired[str]
    messageMetadata: NotRequired[dict[str, Any]]


class UiStep(TypedDict):
    """A turn of the model starts, ends, or is taken back (`ai` 7)."""

    type: Literal["start-step", "finish-step", "reset-step"]


class UiPartStart(TypedDict):
    """A text or reasoning starts; `providerMetadata.millrace.seq` is the number of its first event."""

    type: Literal["text-start", "reasoning-start"]
    id: str
    providerMetadata: dict[str, Any]


class UiPartDelta(TypedDict):
    """The next piece of a text or of reasoning."""

    type: Literal["text-delta", "reasoning-delta"]
    id: str
    delta: str


class UiPartEnd(TypedDict):
    """A text or reasoning ends."""

    type: Literal["text-end", "reasoning-end"]
    id: str


class UiToolInput(TypedDict):
    """A tool call. Without `providerExecuted` the client answers it."""

    type: Literal["tool-input-available"]
    toolCallId: str
    toolName: str
    input: Any
    providerMetadata: dict[str, Any]
    providerExecuted: NotRequired[bool]


class UiApprovalRequest(TypedDict):
    """A call waits for an approval."""

    type: Literal["tool-approval-request"]
    approvalId: str
    toolCallId: str
    approvalDescriptor: dict[str, Any]


class UiApprovalResponse(TypedDict):
    """The approval was answered (`ai` 7)."""

    type: Literal["tool-approval-response"]
    approvalId: str
    approved: bool
    reason: NotRequired[str]


class UiToolOutput(TypedDict):
    """The result of a call, as text."""

    type: Literal["tool-output-available"]
    toolCallId: str
    output: str


class UiToolError(TypedDict):
    """The call failed."""

    type: Literal["tool-output-error"]
    toolCallId: str
    errorText: str


class UiToolDenied(TypedDict):
    """The call was rejected."""

    type: Literal["tool-output-denied"]
    toolCallId: str


class UiData(TypedDict):
    """One of our own parts."""

    type: Literal["data-status", "data-injected", "data-rewind", "data-output", "data-live-message"]
    data: Any
    id: NotRequired[str]
    transient: NotRequired[bool]


class UiMetadata(TypedDict):
    """More metadata of the message."""

    type: Literal["message-metadata"]
    messageMetadata: dict[str, Any]


class UiError(TypedDict):
    """The answer failed."""

    type: Literal["error"]
    errorText: str


class UiAbort(TypedDict):
    """The answer was stopped."""

    type: Literal["abort"]
    reason: str


class UiFinish(TypedDict):
    """The message is complete, or its run waits for answers (`tool-calls`)."""

    type: Literal["finish"]
    finishReason: str
    messageMetadata: NotRequired[dict[str, Any]]


UiMessageChunk = (
    UiStart
    | UiStep
    | UiPartStart
    | UiPartDelta
    | UiPartEnd
    | UiToolInput
    | UiApprovalRequest
    | UiApprovalResponse
    | UiToolOutput
    | UiToolError
    | UiToolDenied
    | UiData
    | UiMetadata
    | UiError
    | UiAbort
    | UiFinish
)
"""A chunk of a UI message stream."""
