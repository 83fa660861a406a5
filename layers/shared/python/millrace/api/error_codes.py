"""Every code that an HTTP error can have: its one status, and what it means.

Imported for the OpenAPI document and by tests only. Codes of model servers come and go with the servers; they
are passed on, with the status 502.
"""

from collections.abc import Mapping
from typing import NamedTuple


class ErrorCode(NamedTuple):
    """The status that comes with a code, and its meaning."""

    status: int
    meaning: str


_BY_STATUS: Mapping[int, Mapping[str, str]] = {
    401: {
        "organization_missing": "The token names no organization, or one that is not valid.",
        "signature_invalid": "The webhook's signature is missing, wrong or too old.",
        "ticket_invalid": "The ticket is unknown, used up, expired, or for another path or client.",
        "token_expired": "The token has expired; sign in again.",
        "token_invalid": "The token is not valid here.",
        "token_missing": "There is no bearer token in the Authorization header.",
    },
    403: {
        "missing_scope": "The caller lacks a scope; `scope` names it.",
        "not_an_approver": "The caller may not answer this call; `approvers` says who may.",
    },
    404: {
        "agent_not_found": "No agent has this id.",
        "alert_rule_not_found": "No alert rule has this id.",
        "call_not_found": "No call of this id waits, or has waited, in the run.",
        "checkpoint_not_found": "No checkpoint has this id.",
        "conversation_not_found": "No conversation has this id, or it is not the caller's to see.",
        "dead_letter_not_found": "No dead letter has this id.",
        "destination_not_found": "The pipeline has no destination of this number.",
        "execution_not_found": "No execution has this id, or it is not the caller's to see.",
        "file_not_found": "No file has this id, or it is not the caller's to see.",
        "flow_not_found": "No flow has this name.",
        "live_message_not_found": "No live message of this id waits.",
        "memory_not_found": "No memory has this id.",
        "pipeline_not_found": "No pipeline has this id.",
        "redrive_not_found": "No redrive has this id.",
        "run_expired": "The events of the run are no longer kept.",
        "model_not_found": "No agent is the model `agent:<id>`.",
        "response_not_found": "No response has this id.",
        "run_not_found": "No run has this id, or it is not the caller's to see.",
        "secret_not_found": "No secret has this name.",
        "share_not_found": "The conversation is not shared with this user.",
        "template_not_found": "No template has this id.",
        "version_not_found": "The pipeline has no such version.",
    },
    409: {
        "agent_builtin": "The agent is built in and cannot be changed.",
        "agent_exists": "An agent with this id exists.",
        "already_answered": "The call has another answer; `answer` is the first.",
        "already_seen": "The agent has already seen the live message.",
        "changed": "Somebody else changed it meanwhile; read it again.",
        "conversation_deleted": "The conversation is being deleted.",
        "conversation_exists": "A conversation with this id exists.",
        "file_in_use": "The file belongs to another conversation.",
        "file_not_uploaded": "The file has not been uploaded yet, or anew meanwhile.",
        "flow_exists": "A flow with this name exists.",
        "invalid_transition": "The pipeline's state does not allow this; `allowed` names what it does.",
        "loop": "The request has gone through pipelines too often: one of them feeds itself.",
        "not_active": "The execution is over.",
        "not_streaming": "No run is active.",
        "not_waiting": "The execution does not wait for input.",
        "pipeline_active": "The pipeline accepts events; stop it first.",
        "pipeline_id_used": "A pipeline that was deleted had this id.",
        "pipeline_not_running": "The pipeline's state does not allow this; `state` names it.",
        "pipeline_paused": "The pipeline is paused; resume it first.",
        "pipeline_stopped": "The pipeline is stopped for good.",
        "redrive_over": "The redrive is over.",
        "rule_exists": "An alert rule with this id exists.",
        "response_in_conversation": "The response is one of several; delete its conversation.",
        "run_active": "A run is active; `runId` names it.",
        "run_id_used": "Another run has this id; take a new one.",
        "run_waiting": "The run waits for answers; `calls` names what it asks.",
        "source_fixed": "The source of a pipeline that was started cannot change.",
        "too_many_pipelines": "The organization has as many pipelines as it may have.",
        "too_many_shares": "The conversation is shared with as many users as it may be.",
    },
    410: {"deleted": "The conversation was deleted while the run was active."},
    413: {
        "agent_too_large": "The agent is too large; `limit` is in bytes.",
        "attachments_too_large": "The images and files within the message are too large; upload them.",
        "file_too_large": "The file is too large for its type; `limit` is in bytes.",
        "message_too_large": "The message is too large; `limit` is in bytes.",
        "quota_exceeded": "The organization's files would pass their quota; `limit` is in bytes.",
        "too_large": "The request, or what it would store, is too large.",
    },
    415: {
        "media_type_refused": "No agent can be sent content of this media type.",
        "unsupported_encoding": "The body's Content-Encoding is not supported.",
        "unsupported_media_type": "The body's Content-Type is not supported.",
    },
    422: {
        "address_not_allowed": "The address is not one that may be called from here.",
        "agent_required": "A new conversation needs an `agentId`.",
        "already_owner": "The conversation belongs to this user.",
        "attachment_not_accepted": "The model takes no such images or files; `model` names it.",
        "cannot_think": "The model cannot think; leave out `thinkingTokens`.",
        "definition_broken": "The stored definition cannot be read any more; replace it.",
        "empty_message": "The message has no text, image or file.",
        "empty_text": "The text has nothing to say.",
        "flow_too_large": "The flow is too large.",
        "id_mismatch": "The id in the body is not the id in the path.",
        "idempotency_key_reused": "The idempotency key was used for another request.",
        "input_too_large": "The flow's input is too large.",
        "invalid_answer": "The answer does not fit the call; `path` names the field.",
        "invalid_arguments": "The arguments do not fit the tool's schema; `fields` lists why.",
        "invalid_cursor": "The cursor is not one that a page gave.",
        "invalid_definition": "The definition is not valid; `problems` lists why.",
        "invalid_encoding": "The body is not what its Content-Encoding says.",
        "invalid_event": "An event is not valid.",
        "invalid_expression": "An expression is not valid; `line` and `column` say where.",
        "invalid_form": "The body is not a form.",
        "invalid_id": "The id has characters or a length that ids must not have.",
        "invalid_items": "The items are not valid.",
        "invalid_json": "The body is not JSON.",
        "invalid_name": "The name has characters or a length that names must not have.",
        "invalid_parameter": "A parameter of the template is missing or not valid.",
        "invalid_place": "The place is neither `step:<n>` nor `destination:<n>`.",
        "invalid_query": "A query parameter or header is not valid.",
        "invalid_request": "The body is not valid; `fields` lists why.",
        "invalid_schedule": "The schedule's expression is not valid.",
        "invalid_schema": "The JSON Schema is not valid, or not one that answers can be checked against.",
        "invalid_secret": "The secret's name, value or hosts are not valid.",
        "invalid_step": "There is no such step, or it could never work.",
        "invalid_tool": "A tool that came with the message is not valid, or the agent cannot have it.",
        "invalid_time": "A time is not valid, or a span of time ends before it begins.",
        "invalid_tools": "The rules of a tool are not valid.",
        "invalid_version": "The version is not a whole number.",
        "no_events": "There are no events to work on.",
        "no_pipelines": "The deployment has no stored pipelines for flows.",
        "not_for_live_messages": "A live message cannot ask for this.",
        "other_flow": "The execution is of another flow.",
        "speech_refused": "The speech engine refused the text or the voice.",
        "too_many_attachments": "The message has too many images and files; `limit` says how many.",
        "thinking_too_long": "`thinkingTokens` must be less than `limits.maxTokens`.",
        "unknown_engine": "No speech engine has this name.",
        "unknown_event_type": "No event has this type.",
        "unknown_format": "No audio format has this name.",
        "unknown_secret": "The definition names a secret that is not stored.",
        "unsupported_parameter": "An agent cannot do what the parameter `param` asks for.",
        "unknown_tool": "No tool has this name.",
        "unknown_voice": "The engine has no voice of this name.",
        "unsupported_speed": "The engine does not speak at this speed.",
    },
    429: {
        "backpressure": "The pipeline cannot keep up; send again later.",
        "rate_limited": "The model's server is at its limit; send again later.",
        "too_many_rules": "The organization has as many alert rules as it may have.",
        "too_many_waiting": "As many live messages wait as may wait.",
    },
    500: {
        "internal": "Something went wrong on our side.",
        "step_keeps_failing": "The run was given up: it failed at the same step again and again.",
    },
    501: {
        "codec_missing": "The deployment lacks the codec of this audio format.",
        "engine_missing": "The deployment lacks this speech engine.",
        "no_deliveries": "The deployment has no function that delivers.",
        "no_scheduler": "The deployment has no scheduler.",
    },
    502: {
        "context_exceeded": "The conversation does not fit into the model's context window.",
        "provider_rejected": "The model's server refused the request.",
        "speech_failed": "The speech engine failed.",
    },
    503: {
        "acceptance_unknown": "It is not known whether the message was accepted; look before sending again.",
        "engine_unavailable": "The speech engine does not answer now.",
        "not_configured": "A setting of the deployment is missing; the message names it.",
        "provider_unavailable": "The model's server does not answer now.",
        "run_lost": "The process that ran the run is gone.",
        "still_running": "The run did not stop in time; send again.",
        "unavailable": "A service that this needs does not answer now; try again.",
    },
    504: {
        "deadline": "The function's time was over before the run's end.",
        "run_continues": "The run goes on in another process; read it, or follow its stream.",
    },
}

ERROR_CODES: Mapping[str, ErrorCode] = {
    code: ErrorCode(status, meaning)
    for status, codes in _BY_STATUS.items()
    for code, meaning in codes.items()
}
