"""The built web UI: files with the right types and cache headers, compressed, and the page for its routes."""

import gzip
from functools import lru_cache
from pathlib import Path

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from local.page_headers import page_headers

_FOREVER = "public, max-age=31536000, immutable"  # a built asset has a hash of its content in its name
_ASK = "no-cache"
_COMPRESSED = {".css", ".html", ".js", ".json", ".map", ".svg", ".txt"}
_LEAST_BYTES = 1000  # CloudFront compresses nothing smaller
_NOT_BUILT = """<!doctype html><title>Millrace</title>
<p>The web UI is not built. <code>make run</code> builds it; the functions work without it."""


class WebFiles(StaticFiles):
    """Serves a folder that may not exist yet."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self._folder = folder

    async def check_config(self) -> None:
        """Skip the check, because the folder may be built while the stack runs."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or not _is_page(path, scope):
                raise
            response = await self._page(scope)
        response = await _compressed(response, Headers(scope=scope))
        response.headers["cache-control"] = _FOREVER if path.startswith("assets/") else _ASK
        response.headers.update(page_headers())
        return response

    async def _page(self, scope: Scope) -> Response:
        if (self._folder / "index.html").is_file():
            return await super().get_response("index.html", scope)
        return HTMLResponse(_NOT_BUILT, status_code=503)


async def _compressed(response: Response, asked: Headers) -> Response:
    """Return the response as CloudFront sends it: compressed if the client supports it and it saves space.

    A part of a file is unchanged. The ETag of a compressed response is weak, because its bytes are not those
    of the file.
    """
    if not isinstance(response, FileResponse) or Path(response.path).suffix not in _COMPRESSED:
        return response
    response.headers["vary"] = "accept-encoding"
    found = response.stat_result
    if found is None or found.st_size < _LEAST_BYTES or "range" in asked or not _reads_gzip(asked):
        return response
    content = await run_sync(_gzipped, Path(response.path), found.st_mtime_ns)
    kept = {name: response.headers[name] for name in ("content-type", "last-modified", "vary")}
    tag = {"etag": f"W/{response.headers['etag']}", "content-encoding": "gzip"}
    return Response(content, headers=kept | tag)


@lru_cache(maxsize=256)
def _gzipped(path: Path, changed_ns: int) -> bytes:
    """Return the compressed content of a file at its last change."""
    return gzip.compress(path.read_bytes(), 6, mtime=0)


def _reads_gzip(asked: Headers) -> bool:
    codings = (one.replace(" ", "").split(";") for one in asked.get("accept-encoding", "").lower().split(","))
    return any(name in ("gzip", "*") and weight not in (["q=0"], ["q=0.0"]) for name, *weight in codings)


def _is_page(path: str, scope: Scope) -> bool:
    """Return whether a browser navigates to a route of the UI, where ids may have dots, rather than to a
    file."""
    wants = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), "")
    return path in ("", ".") or ("text/html" in wants and not path.startswith("assets/"))
