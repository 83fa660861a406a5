"""Records the use of API keys."""

import asyncio
import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from millrace.domain.api_keys import KeyHolder
from millrace.stores.api_keys import ApiKeyStore

log = logging.getLogger(__name__)
SECONDS = 5.0


class KeyUses:
    """Middleware that records the use of the caller's key. It does so after the last byte of the answer,
    but before the app returns, since Lambda may freeze the process then. If it fails, the caller is not
    affected."""

    def __init__(self, app: ASGIApp, keys: ApiKeyStore) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            await self._app(scope, receive, send)
        finally:
            if holder := scope.get("state", {}).get("key_holder"):
                await self._note(holder)

    async def _note(self, holder: KeyHolder) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await self._keys.note_use(holder)
        except Exception:
            log.exception("the use of the key %s was not noted", holder.key_id)
