"""Errors that several operations of pipelines have."""

NOT_FOUND = ("pipeline_not_found",)
DEFINITION_ERRORS = ("invalid_definition", "unknown_secret", "too_large")
CHANGE_ERRORS = ("changed", "pipeline_stopped", "source_fixed", *DEFINITION_ERRORS)
ACTION_ERRORS = (*NOT_FOUND, "invalid_transition", "changed")
PUSH_ERRORS = (
    *NOT_FOUND,
    "pipeline_not_running",
    "invalid_items",
    "invalid_event",
    "invalid_time",
    "backpressure",
    "not_configured",
)
