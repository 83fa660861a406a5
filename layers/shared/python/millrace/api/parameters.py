"""Parameters that many operations take."""

from starlette.requests import Request

from millrace.api.endpoint import truth
from millrace.api.operation import Parameter
from millrace.domain.events import DETAILS, Detail
from millrace.domain.replacement import WriteOptions

CURSOR = Parameter("cursor", "`nextCursor` of the previous page; by default the first page")
STREAM = Parameter(
    "stream",
    "`true` streams the answer as Server-Sent Events, as does `Accept: text/event-stream`; `false` does not",
    {"type": "string", "enum": ["true", "false"]},
)
THREAD = Parameter("threadId", "A thread of the conversation; by default the conversation itself")


def detail(default: Detail) -> Parameter:
    """Return the parameter for the detail in which a run is shown."""
    schema = {"type": "string", "enum": list(DETAILS), "default": default}
    return Parameter("detail", "How much of the run is shown", schema)


DETAIL = detail("steps")
NAMED_EVENTS = Parameter(
    "events", "`named` adds the SSE field `event` to each event", {"type": "string", "enum": ["named"]}
)
AFTER = Parameter("after", "The id of the last event seen, `<runId>.<number>`; the stream continues after it")
LAST_EVENT_ID = Parameter(
    "Last-Event-ID", "Like `after`; browsers send it when they reconnect", place="header"
)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "A repeated key returns the first answer and has no further effect",
    {"type": "string", "maxLength": 200},
    "header",
)
RESUME = (AFTER, LAST_EVENT_ID, DETAIL, NAMED_EVENTS)
TICKET = Parameter("ticket", "The secret from `POST /api/stream-tickets`, instead of a token")

UNCHANGED_SINCE = Parameter(
    "unchangedSince",
    "The `updatedAt` that you have read, empty if there was nothing; a 409 `changed` if it differs",
)
DRY_RUN = Parameter(
    "dryRun",
    "`true` checks everything and answers as the write would, but writes nothing",
    {"type": "boolean"},
)
WRITE = (UNCHANGED_SINCE, DRY_RUN)


def write_options(request: Request) -> WriteOptions:
    """Return the options of a PUT or DELETE. Raises `InvalidRequest`."""
    return WriteOptions(request.query_params.get("unchangedSince"), truth(request, "dryRun"))


def limit(highest: int, default: int) -> Parameter:
    """Return the parameter for the length of a page."""
    schema = {"type": "integer", "minimum": 1, "maximum": highest, "default": default}
    return Parameter("limit", "The maximum number of items in the page", schema)
