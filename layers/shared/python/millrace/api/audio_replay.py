"""Short audio that the holder of a ticket may fetch again, whole or in ranges.

Media players request the headers, then the first two bytes, and everything again when they seek. `<audio>` in
Safari plays only audio that it can fetch in ranges. Audio that fits into an item of the table is kept for
some minutes.
"""

import logging
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response

from millrace.api.stream_session import StreamSession, session_of
from millrace.errors import MillraceError
from millrace.stores.tickets import AUDIO_BYTES

log = logging.getLogger(__name__)

_RANGE = re.compile(r"bytes=(\d{0,12})-(\d{0,12})")
_NO_STORE = {"cache-control": "no-store, no-transform"}


async def replayed(request: Request) -> Response | None:
    """Return the audio that this request's ticket has already fetched; None if it still has to be spoken."""
    session = session_of(request)
    if session is None or not session.ticket.again:
        return None
    kept = await session.tickets.kept_audio(session.secret)
    return part_of(request, *kept) if kept else None


def part_of(request: Request, media_type: str, audio: bytes) -> Response:
    """Return the requested range of the audio (RFC 9110, section 14), or all of it."""
    headers = _NO_STORE | {"accept-ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or asked.groups() == ("", ""):
        return Response(audio, 200, headers, media_type)
    first, last = _bounds(asked[1], asked[2], len(audio))
    if first > last:  # a range may be ignored; this answer shows where the audio ends
        return Response(audio, 200, headers, media_type)
    named = {"content-range": f"bytes {first}-{last}/{len(audio)}"}
    return Response(audio[first : last + 1], 206, headers | named, media_type)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:  # the number of bytes at the end
        return max(size - int(last), 0), size - 1
    return int(first), min(int(last or size), size - 1)


def wants_a_part(request: Request) -> bool:
    """Return whether a player requests a range with an end, and therefore has to learn the total length."""
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    return asked is not None and bool(asked[2])


async def kept(
    request: Request, audio: AsyncGenerator[bytes, None], media_type: str
) -> AsyncGenerator[bytes, None]:
    """Pass on audio. If the request came with a ticket and the audio is short, keep it when it has ended."""
    session, parts, size = session_of(request), [], 0
    async with aclosing(audio):
        async for part in audio:
            size += len(part)
            if session is not None and size <= AUDIO_BYTES:
                parts.append(part)
            yield part
    if session is not None and 0 < size <= AUDIO_BYTES:
        await _keep(session, media_type, b"".join(parts))


async def _keep(session: StreamSession, media_type: str, audio: bytes) -> None:
    try:
        await session.tickets.keep_audio(session.secret, media_type, audio)
    except MillraceError as error:  # the client has heard it; only the repetition fails
        log.warning("Audio is not kept: %s", error.message)
