"""Ids of calls as clients of chat completions return them: they name the run, since nothing else in such a
request does."""

REQUEST_APPROVAL = "request_approval"
"""The function that stands for a tool of ours which needs an approval; its arguments are `{name, arguments}`,
and its result is `approve`, `reject`, or a JSON object of `POST /api/runs/{id}/answers`."""


def exposed_call_id(run_id: str, call_id: str) -> str:
    """The id of a call with its run's."""
    return f"{call_id}.{run_id}"


def parse_call_id(text: str) -> tuple[str, str]:
    """The run and the call that an id names; the run is empty in ids that are not ours."""
    call_id, _, run_id = text.partition(".")
    return run_id, call_id
