"""Short audio that the holder of a ticket may hear again, whole or in ranges.

Media players ask for the head, for the first two bytes, and for all of it once more when they seek:
`<audio>` on Safari plays nothing that it cannot have in ranges. What fits into an item of the table is kept
for some minutes.
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
    """The audio that this request's ticket has already brought, None where it has to be spoken."""
    session = session_of(request)
    if session is None or not session.ticket.again:
        return None
    kept = await session.tickets.kept_audio(session.secret)
    return part_of(request, *kept) if kept else None


def part_of(request: Request, media_type: str, audio: bytes) -> Response:
    """The range of the audio that the request asks for (RFC 9110, section 14), all of it without one."""
    headers = _NO_STORE | {"accept-ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or asked.groups() == ("", ""):
        return Response(audio, 200, headers, media_type)
    first, last = _bounds(asked[1], asked[2], len(audio))
    if first > last:  # a server may ignore a range; this one says where the audio ends
        return Response(audio, 200, headers, media_type)
    named = {"content-range": f"bytes {first}-{last}/{len(audio)}"}
    return Response(audio[first : last + 1], 206, headers | named, media_type)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:  # the last so many bytes
        return max(size - int(last), 0), size - 1
    return int(first), min(int(last or size), size - 1)


def wants_a_part(request: Request) -> bool:
    """Return whether a player asks for a range that has an end, and so has to learn the length of all."""
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    return asked is not None and bool(asked[2])


async def kept(
    request: Request, audio: AsyncGenerator[bytes, None], media_type: str
) -> AsyncGenerator[bytes, None]:
    """Pass on audio, and keep it at its end if the request came with a ticket and it is short."""
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
    except MillraceError as error:  # it has been heard; only hearing it again fails
        log.warning("Audio is not kept: %s", error.message)
