"""Outputs of windows and batches."""

from hashlib import sha256

from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.values import Value


def output_id(*parts: str | bytes | int) -> str:
    """The same for the same parts, always: sinks know repetitions by it."""
    joined = b"|".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return sha256(joined).hexdigest()[:32]


def window_event(
    pipeline: str,
    id: str,
    revision: int,
    span: tuple[int, int],
    group: dict[str, Value],
    values: dict[str, Value],
    count: int,
    skipped: dict[str, int],
) -> Event:
    """A result as an event: its id is new for every revision, `payload["id"]` is not. `skipped` is left out
    where nothing was."""
    start, end = span
    payload: Payload = {
        "id": id,
        "revision": revision,
        "windowStart": start,
        "windowEnd": end,
        "group": group,
        "values": values,
        "count": count,
    }
    if skipped:
        payload["skipped"] = skipped
    window = {"start": start, "end": end, "revision": revision}
    return Event(payload, f"{id}-{revision}", "window", "window", end, end, pipeline, window)
