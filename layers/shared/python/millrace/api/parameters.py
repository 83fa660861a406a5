"""Parameters that many operations take."""

from starlette.requests import Request

from millrace.api.endpoint import truth
from millrace.api.operation import Parameter
from millrace.domain.events import DETAILS, Detail
from millrace.domain.replacement import WriteOptions

CURSOR = Parameter("cursor", "`nextCursor` of the page before; without it, the first page")
STREAM = Parameter(
    "stream",
    "`true` streams the answer as Server-Sent Events, as does `Accept: text/event-stream`; `false` does not",
    {"type": "string", "enum": ["true", "false"]},
)
THREAD = Parameter("threadId", "A thread of the conversation; without it, the conversation itself")


def detail(default: Detail) -> Parameter:
    """The detail in which a run is shown."""
    schema = {"type": "string", "enum": list(DETAILS), "default": default}
    return Parameter("detail", "How much of the run is shown", schema)


DETAIL = detail("steps")
NAMED_EVENTS = Parameter(
    "events", "`named` adds the SSE field `event` to each event", {"type": "string", "enum": ["named"]}
)
AFTER = Parameter("after", "The id of the last event seen, `<runId>.<number>`: the stream goes on after it")
LAST_EVENT_ID = Parameter("Last-Event-ID", "As `after`; browsers send it when they reconnect", place="header")
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "The same key again gets the first answer, and does nothing twice",
    {"type": "string", "maxLength": 200},
    "header",
)
RESUME = (AFTER, LAST_EVENT_ID, DETAIL, NAMED_EVENTS)
TICKET = Parameter("ticket", "The secret of `POST /api/stream-tickets`, in place of a token")

UNCHANGED_SINCE = Parameter(
    "unchangedSince",
    "The `updatedAt` that you have read, empty where there was nothing; anything else is a 409 `changed`",
)
DRY_RUN = Parameter(
    "dryRun", "`true` checks everything, answers as the write would, and writes nothing", {"type": "boolean"}
)
WRITE = (UNCHANGED_SINCE, DRY_RUN)


def write_options(request: Request) -> WriteOptions:
    """The options of a PUT or DELETE. Raises `InvalidRequest`."""
    return WriteOptions(request.query_params.get("unchangedSince"), truth(request, "dryRun"))


def limit(highest: int, default: int) -> Parameter:
    """The length of a page."""
    schema = {"type": "integer", "minimum": 1, "maximum": highest, "default": default}
    return Parameter("limit", "The most items that the page has", schema)
