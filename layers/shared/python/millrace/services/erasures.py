"""Erasure of all data of a user or an organization: begun by an admin, performed by sweeps."""

import logging
from typing import Any

from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.domain.conversations import Slot
from millrace.domain.erasures import QUIET_MS, Erasure
from millrace.domain.ids import valid_user
from millrace.domain.limits import Control, Stop
from millrace.errors import InvalidRequest, NotFound
from millrace.services.pipelines.context import PipelineContext
from millrace.services.pipelines.intake.schedules import Schedules
from millrace.services.revocations import with_revocation
from millrace.services.runs.delete import delete_conversation
from millrace.services.runs.sweep_time import sweep_time
from millrace.stores.connect import Stores
from millrace.stores.dynamo import ConditionFailed
from millrace.stores.erasures import LEASE_MS
from millrace.stores.limits import control_key

log = logging.getLogger(__name__)
AT_ONCE = 20
REASON = "The organization has been erased."
Step = tuple[int, str | None]
"""The number of items that a step has removed, and the cursor to continue from (None: done)."""


class Erasures:
    """Operations on erasures, for callers that the API has authorized."""

    def __init__(self, stores: Stores) -> None:
        self._store = stores.erasures
        self._limits = stores.limits
        self._clock = stores.clock

    async def all(self, caller: Principal) -> list[Erasure]:
        """Return the erasures in progress or recently finished.

        A caller who is erasing the organization may still see them.
        """
        (await self._limits.control(caller.organization)).check_token(caller)
        return await self._store.all(caller.organization)

    async def begin(self, caller: Principal, user_id: str) -> Erasure:
        """Begin to erase a user, or the organization if the id is empty. An erasure in progress continues.

        From now on, tokens of the user, or of everybody in the organization, are rejected. Raises
        `InvalidRequest`.
        """
        if user_id and not valid_user(user_id):
            raise InvalidRequest("userId must name a user.", code="invalid_id")
        seen = await self._store.get(caller.organization, user_id)
        if seen and seen.done_ms is None:
            return seen
        version = seen.version + 1 if seen else 1
        made = Erasure(caller.organization, user_id, caller.id, self._clock(), version=version)

        def closed(control: Control) -> Control:
            if user_id:
                return with_revocation(control, caller, user_id, made.created_ms)
            stop = Stop(agent_id=None, reason=REASON, created_by=caller.id, created_at=iso(made.created_ms))
            others = [one for one in control.stops if one.agent_id is not None]
            return control.model_copy(update={"erasing": True, "stops": (stop, *others)})

        try:
            await self._limits.change(caller.organization, closed, self._store.begin(made))
        except ConditionFailed:  # another request began it in the meantime
            return await self._store.get(caller.organization, user_id) or made
        return made


async def sweep_erasures(stores: Stores) -> int:
    """Continue erasures for the time of a sweep, and return how many were finished.

    One that fails is logged and left for a later sweep.
    """
    finished = 0
    async with sweep_time():
        if not stores.remains.settings.limits_table:
            return finished
        for erasure in await stores.erasures.unfinished():
            finished += await _finished(stores, erasure)
    return finished


async def _finished(stores: Stores, erasure: Erasure) -> bool:
    try:
        taken = await stores.erasures.claim(erasure)
        return taken is not None and await Eraser.connect(stores).run(taken)
    except Exception:
        log.exception("the erasure of %s %s could not go on", erasure.organization, erasure.user_id)
        return False


class Eraser(Struct, frozen=True):
    """The steps of an erasure. Each is repeated until it finds nothing more, and can be repeated safely."""

    stores: Stores
    pipelines: PipelineContext

    @classmethod
    def connect(cls, stores: Stores) -> "Eraser":
        """Create the eraser without making a call."""
        context = PipelineContext.connect(stores.remains.settings, stores.aws, stores.clock)
        return cls(stores, context)

    async def run(self, erasure: Erasure) -> bool:
        """Continue an erasure, and return True at its end.

        Return False if it has to wait, or another process continues it.
        """
        while erasure.step < len(erasure.steps):
            if erasure.step_name == "quiet" and self.stores.clock() < self._quiet_until(erasure):
                await self.stores.erasures.save(
                    erasure, quiet_until_ms=self._quiet_until(erasure), until_ms=0
                )
                return False
            removed, cursor = await self._step(erasure)
            saved = await self._saved(erasure, removed, cursor)
            if saved is None:
                return False
            erasure = saved
        return await self._end(erasure)

    def _quiet_until(self, erasure: Erasure) -> int:
        return erasure.quiet_until_ms or self.stores.clock() + QUIET_MS

    async def _saved(self, erasure: Erasure, removed: int, cursor: str | None) -> Erasure | None:
        changes: dict[str, Any] = {
            "removed": erasure.removed + removed,
            "found": erasure.found + removed,
            "cursor": cursor or "",
            "step": erasure.step + (cursor is None),
            "until_ms": self.stores.clock() + LEASE_MS,
        }
        return await self.stores.erasures.save(erasure, **changes)

    async def _end(self, erasure: Erasure) -> bool:
        store, now = self.stores.erasures, self.stores.clock()
        if erasure.user_id:
            return await store.save(erasure, done_ms=now) is not None
        if erasure.found:
            # Activity during the erasure may have written more, so look again after another quiet period.
            step = erasure.steps.index("quiet")
            await store.save(erasure, step=step, found=0, quiet_until_ms=now + QUIET_MS, until_ms=0)
            return False
        await store.finish(erasure, [control_key(erasure.organization)])
        return True

    async def _step(self, erasure: Erasure) -> Step:
        step: Step = await getattr(self, f"_{erasure.step_name}")(erasure)
        return step

    async def _conversations(self, erasure: Erasure) -> Step:
        found, _ = await self.stores.directory.page(erasure.organization, erasure.user_id or None, AT_ONCE)
        for one in found:
            try:
                await delete_conversation(self.stores, Slot(erasure.organization, one.id))
            except NotFound:
                continue  # the index is slightly behind
        return len(found), "" if found else None

    async def _shares(self, erasure: Erasure) -> Step:
        user = erasure.user_id
        found, _ = await self.stores.directory.page_of_user(erasure.organization, user, AT_ONCE)
        for one in found:
            left = {name: access for name, access in one.shared_with.items() if name != user}
            slot = Slot(erasure.organization, one.id)
            await self.stores.directory.share(slot, one, user, left, iso(self.stores.clock()))
        return len(found), "" if found else None

    async def _memories(self, erasure: Erasure) -> Step:
        await self.stores.memories.delete_user(erasure.organization, erasure.user_id)
        return 0, None

    async def _files(self, erasure: Erasure) -> Step:
        found, _ = await self.stores.files.page(erasure.organization, erasure.user_id, "", AT_ONCE)
        for file in found:
            await self.stores.file_objects.delete(file)
            await self.stores.files.delete(file)
        return len(found), "" if found else None

    async def _exports(self, erasure: Erasure) -> Step:
        exports = self.stores.exports
        of_user = [one for one in await exports.all(erasure.organization) if one.user_id == erasure.user_id]
        for one in of_user:
            await exports.mark_deleted(one)
        return len(of_user), None

    async def _counts(self, erasure: Erasure) -> Step:
        await self.stores.limits.forget_user(erasure.organization, erasure.user_id)
        await self.stores.files.forget_user(erasure.organization, erasure.user_id)
        return 0, None

    async def _schedules(self, erasure: Erasure) -> Step:
        schedules = Schedules(self.pipelines)
        found = await self.pipelines.pipelines.all(erasure.organization)
        for pipeline in found:
            await schedules.remove(erasure.organization, pipeline)
            await self.pipelines.pipelines.delete(erasure.organization, pipeline)
        return len(found), None

    async def _quiet(self, erasure: Erasure) -> Step:
        return 0, None

    async def _objects(self, erasure: Erasure) -> Step:
        removed = await self.stores.remains.delete_objects(erasure.organization)
        return removed, "" if removed else None

    async def _items(self, erasure: Erasure) -> Step:
        removed, cursor = await self.stores.remains.delete_items(erasure.organization, erasure.cursor)
        return removed, cursor or None
