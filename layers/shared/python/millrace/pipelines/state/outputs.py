"""Outputs of windows and batches."""

from hashlib import sha256

from millrace.pipelines.event import Event, Payload
from millrace.pipelines.expressions.values import Value


def output_id(*parts: str | bytes | int) -> str:
    """Return an id that is always the same for the same parts, by which receivers detect duplicates."""
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
    """Return a result as an event.

    Its id is new for every revision, but `payload["id"]` is not. `skipped` is left out if it is empty.
    """
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
