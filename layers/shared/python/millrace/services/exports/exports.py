"""Operations on exports, for callers that the API has authorized."""

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
        """Return the exports in progress or ready for download, latest first."""
        return await self._store.all(caller.organization)

    async def get(self, caller: Principal, id: str) -> Export:
        """Return an export. Raises `NotFound`."""
        return await self._store.get(caller.organization, id)

    async def begin(self, caller: Principal, user_id: str) -> Export:
        """Begin to export a user, or the organization if the id is empty. An export in progress continues.

        Raises `InvalidRequest`, and `Unavailable` if the deployment has no bucket for exports.
        """
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
            except ConditionFailed:  # another request began one in the meantime
                continue
            return made
        raise Contended("Conflicting concurrent writes; retry.", retry_after=1)

    async def parts(
        self, caller: Principal, id: str, limit: int, after: int
    ) -> tuple[list[tuple[ExportPart, str, str]], int | None]:
        """Return a page of an export's parts with their file names and download URLs, and the number to
        continue after.

        Raises `NotFound`.
        """
        export = await self.get(caller, id)
        found, more = await self._store.parts(export, limit, after)
        named = [(part, f"{export.id}-{part.number:04d}.zip") for part in found]
        return [(part, name, await self._objects.link(part, name)) for part, name in named], more

    async def delete(self, caller: Principal, id: str) -> None:
        """Cancel an export in progress, or delete a finished one.

        A sweep deletes its data. Raises `NotFound`.
        """
        await self._store.mark_deleted(await self.get(caller, id))
