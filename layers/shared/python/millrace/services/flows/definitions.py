"""Definitions of an organization's flows: find, create, replace, delete."""

import re
from functools import partial

from msgspec import Struct

from millrace.domain.access import Principal
from millrace.domain.clock import iso, updated_time
from millrace.domain.flows import FLOW_NAME, Flow, FlowReplacement, FlowSettings, NewFlow
from millrace.domain.replacement import PLAIN, WriteOptions, check_same, settings_of
from millrace.errors import InvalidRequest, NotFound
from millrace.services.flows.checks import check_flow
from millrace.services.runs.platform import Platform
from millrace.services.search import has_words, search, words_of
from millrace.stores.flows import FlowStore


class FlowDefinitions(Struct, frozen=True):
    """The definitions of flows, and the operations on them."""

    platform: Platform
    store: FlowStore

    async def find(
        self, caller: Principal, query: str, limit: int, after: str
    ) -> tuple[list[Flow], str | None]:
        """Return flows in order of their names, and the name to continue after.

        Only flows whose names or descriptions have every word of the query.
        """
        words = words_of(query)
        read_page = partial(self.store.page, caller.organization)
        return await search(
            lambda most, behind: read_page(behind or "", most),
            lambda flow: has_words(words, flow.name, flow.description),
            limit,
            after,
        )

    async def create(self, caller: Principal, given: NewFlow, dry_run: bool = False) -> Flow:
        """Create a flow.

        Raises `Conflict` for a taken name, `InvalidRequest` for a flow that could never run.
        """
        check_flow(given, self.platform.settings.approval_seconds)
        now = iso(self.platform.stores.clock())
        flow = Flow(created_at=now, updated_at=now, **dict(given))
        if not dry_run:
            await self.store.create(caller.organization, flow)
        return flow

    async def put(
        self, caller: Principal, name: str, given: FlowReplacement, options: WriteOptions = PLAIN
    ) -> tuple[Flow, bool]:
        """Create or replace the flow of this name.

        Return it and whether it is new. Raises as `create` does.
        """
        check_same("name", given.name, name)
        settings = settings_of(FlowSettings, given)
        try:
            old = await self.store.get(caller.organization, name)
        except NotFound:
            options.check(None)
            return await self.create(caller, new_flow(name, settings), options.dry_run), True
        options.check(old.updated_at)
        return await self._replace(caller, old, settings, options.dry_run), False

    async def _replace(self, caller: Principal, old: Flow, given: FlowSettings, dry_run: bool) -> Flow:
        check_flow(given, self.platform.settings.approval_seconds)
        now = updated_time(self.platform.stores.clock, old.updated_at)
        flow = Flow(name=old.name, created_at=old.created_at, updated_at=now, **dict(given))
        if not dry_run:
            await self.store.replace(caller.organization, flow, old.updated_at)
        return flow

    async def delete(self, caller: Principal, name: str, unchanged_since: str | None = None) -> None:
        """Delete a flow. Raises `NotFound`, and `Conflict` if it was changed after `unchanged_since`."""
        await self.store.delete(caller.organization, name, unchanged_since)


def new_flow(name: str, settings: FlowSettings) -> NewFlow:
    """Return a flow with these settings. Raises `InvalidRequest` for an invalid name."""
    if not re.fullmatch(FLOW_NAME, name):
        raise InvalidRequest(
            "A flow's name must have 1 to 64 of the characters a-z 0-9 -.", code="invalid_name"
        )
    return NewFlow.model_construct(name=name, **dict(settings))
