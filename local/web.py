"""The built web UI: files with the right types and cache headers, and the page for its own addresses."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from local.page_headers import page_headers

_FOREVER = "public, max-age=31536000, immutable"  # a built asset has a hash of its content in its name
_ASK = "no-cache"
_NOT_BUILT = """<!doctype html><title>Millrace</title>
<p>The web UI is not built. <code>make run</code> builds it; the functions work without it."""


class WebFiles(StaticFiles):
    """Serves a folder that may not be there yet."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self._folder = folder

    async def check_config(self) -> None:
        """The folder may be built while the stack runs."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or not _is_page(path, scope):
                raise
            response = await self._page(scope)
        response.headers["cache-control"] = _FOREVER if path.startswith("assets/") else _ASK
        response.headers.update(page_headers())
        return response

    async def _page(self, scope: Scope) -> Response:
        if (self._folder / "index.html").is_file():
            return await super().get_response("index.html", scope)
        return HTMLResponse(_NOT_BUILT, status_code=503)


def _is_page(path: str, scope: Scope) -> bool:
    """A browser that goes to an address of the UI, where ids may have dots; not a request for a file."""
    wants = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), "")
    return path in ("", ".") or ("text/html" in wants and not path.startswith("assets/"))
