"""The verbs of exports, for callers whom the API has let in."""

from millrace.domain.access import Principal
from millrace.domain.exports import Export, ExportPart
from millrace.domain.ids import new_id, valid_user
from millrace.errors import InvalidRequest
from millrace.stores.connect import Stores
from millrace.stores.dynamo import ConditionFailed, Contended

TRIES = 4


class Exports:
    """Exports of users, and of the caller's organization."""

    def __init__(self, stores: Stores) -> None:
        self._store = stores.exports
        self._objects = stores.export_objects
        self._clock = stores.clock

    async def all(self, caller: Principal) -> list[Export]:
        """The exports that run, or can be downloaded, the latest first."""
        return await self._store.all(caller.organization)

    async def get(self, caller: Principal, id: str) -> Export:
        """Raises `NotFound`."""
        return await self._store.get(caller.organization, id)

    async def begin(self, caller: Principal, user_id: str) -> Export:
        """Begin to export a user, or with an empty id the organization; one that runs goes on. Raises
        `InvalidRequest`, or `Unavailable` where the deployment has no bucket for it."""
        if user_id and not valid_user(user_id):
            raise InvalidRequest("userId must name a user.", code="invalid_id")
        self._objects.check()
        for _ in range(TRIES):
            latest, version = await self._store.latest(caller.organization, user_id)
            if latest and latest.done_ms is None and not latest.deleted and latest.expires_ms > self._clock():
                return latest
            made = Export(new_id("export"), caller.organization, user_id, caller.id, self._clock())
            try:
                await self._store.begin(made, version)
            except ConditionFailed:  # another request has begun one meanwhile
                continue
            return made
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    async def parts(
        self, caller: Principal, id: str, limit: int, after: int
    ) -> tuple[list[tuple[ExportPart, str, str]], int | None]:
        """A page of the parts of an export that are there, each with its file name and the URL that downloads
        it, and the number to go on after. Raises `NotFound`."""
        export = await self.get(caller, id)
        found, more = await self._store.parts(export, limit, after)
        named = [(part, f"{export.id}-{part.number:04d}.zip") for part in found]
        return [(part, name, await self._objects.link(part, name)) for part, name in named], more

    async def delete(self, caller: Principal, id: str) -> None:
        """Cancel an export that runs, or delete one that is done: a sweep deletes what it has. Raises
        `NotFound`."""
        await self._store.mark_deleted(await self.get(caller, id))
