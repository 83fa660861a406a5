"""Content negotiation: finds out whether a request asks for a streamed answer."""

from collections.abc import Iterator

from starlette.requests import Request

STREAM, JSON = "text/event-stream", "application/json"
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}


def wants_stream(request: Request) -> bool:
    """Return whether to stream the answer. Streaming is opt-in: `?stream=true`, or an `Accept` that prefers
    event streams to JSON or ranks both equally (RFC 9110, 12.5.1: the most specific range decides, `q=0`
    refuses)."""
    asked = request.query_params.get("stream", "").lower()
    if asked in _TRUE | _FALSE:
        return asked in _TRUE
    ranges = dict(_ranges(",".join(request.headers.getlist("accept"))))
    stream, json = _quality(ranges, STREAM), _quality(ranges, JSON)
    return stream > json or (0 < stream == json and STREAM in ranges)


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if kind:
            yield kind, _q(parameters)


def _q(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0


def _quality(ranges: dict[str, float], kind: str) -> float:
    for candidate in (kind, f"{kind.split('/')[0]}/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0
