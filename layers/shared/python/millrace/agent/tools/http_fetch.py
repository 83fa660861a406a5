"""The built-in tool `http_fetch`, which reads a public web page through the guarded client."""

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from millrace.agent.tools.function import repeatable
from millrace.agent.tools.html_text import html_text
from millrace.agent.tools.tool import ToolContext, ToolResult
from millrace.agent.tools.workers import in_thread
from millrace.errors import InvalidRequest

if TYPE_CHECKING:
    from millrace.net.fetch import Fetched

PAGE_LIMIT = 256 * 1024
_TEXT_TYPES = re.compile(r"text/|application/(?:[\w.+-]*\+)?(?:json|xml|javascript|x-ndjson|yaml)\b")
_CHARSET = re.compile(r"charset=[\"']?([\w.:-]+)", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w.:-]+)", re.IGNORECASE)


@repeatable
async def http_fetch(url: Annotated[str, Field(max_length=2048)], context: ToolContext) -> ToolResult:
    """Read a web page or API over HTTPS (GET) and return its text.

    Args:
        url: The address, beginning with https://.
    """
    fetched = await _get(url, context)
    kind = fetched.headers.get("Content-Type", "text/plain").lower()
    if 300 <= fetched.status < 400:
        return _moved(fetched)
    if not _TEXT_TYPES.match(kind):
        raise InvalidRequest(f"The page is {kind.partition(';')[0]}, not text, and cannot be read.")
    text = await in_thread(_readable, fetched.body, kind)
    if fetched.truncated:
        text += f"\n[only the first {PAGE_LIMIT} bytes of the page were read]"
    ok = fetched.status < 400
    text = text if ok else f"The server answered {fetched.status}.\n{text}"
    return ToolResult(ok, text, summary=f"{fetched.status}, {len(fetched.body)} bytes from {url}")


async def _get(url: str, context: ToolContext) -> "Fetched":
    # httpx takes a third of a second to import, which a function that never fetches should not pay for.
    from millrace.net.client import guarded_client
    from millrace.net.fetch import fetch

    headers = {"User-Agent": "Millrace-Agent/1.0", "Accept": "text/html, text/*, application/json, */*;q=0.1"}
    if context.http is not None:
        return await fetch(context.http(), "GET", url, headers=headers, limit=PAGE_LIMIT)
    async with guarded_client(allow_loopback_http=context.settings.allow_loopback_http) as client:
        return await fetch(client, "GET", url, headers=headers, limit=PAGE_LIMIT)


def _moved(fetched: "Fetched") -> ToolResult:
    target = fetched.headers.get("Location", "an address it does not name")
    text = f"The page moved to {target[:2048]}. Redirects are not followed: fetch that address if it fits."
    return ToolResult(ok=False, text=text, summary=f"{fetched.status}, moved to {target}")


def _readable(body: bytes, kind: str) -> str:
    is_html = kind.startswith(("text/html", "application/xhtml"))
    declared = _CHARSET.search(kind)
    in_page = _META_CHARSET.search(body[:1024]) if is_html else None
    charset = declared[1] if declared else in_page[1].decode("ascii") if in_page else "utf-8"
    try:
        text = body.decode(charset, errors="replace")
    except (LookupError, ValueError):
        text = body.decode(errors="replace")
    return html_text(text) if is_html else text
