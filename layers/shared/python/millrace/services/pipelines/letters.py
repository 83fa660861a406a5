"""Dead letters of pipelines: listed, and sent again."""

import asyncio
from dataclasses import dataclass
from typing import Any

from millrace.domain.access import Principal
from millrace.domain.clock import iso
from millrace.errors import InvalidRequest, NotFound
from millrace.services.delivery.job import Job, job_event
from millrace.services.pipelines.line import Line
from millrace.services.pipelines.messages import event_of, order, recorded
from millrace.stores.dead_letters import Letter
from millrace.stores.dynamo import delete

PER_SECOND = 50
MAX_LETTERS = 1_000
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters to send again: by ids, or by place (`step:0`, `destination:1`) and code; all by default.
    `version`: `current`, or `original`, the definition that they failed with."""

    ids: tuple[str, ...] = ()
    place: str | None = None
    code: str | None = None
    version: str = "current"

    def takes(self, letter: Letter) -> bool:
        if self.ids and letter.id not in self.ids:
            return False
        return self.place in (None, letter.place) and self.code in (None, letter.code)


class Letters:
    """Reading needs the scope `pipelines:read`, the rest `pipelines:write`."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def page(
        self, caller: Principal, pipeline_id: str, after: str, limit: int
    ) -> tuple[list[Letter], str | None]:
        """Letters, the oldest first, and the id to go on after."""
        caller.require("pipelines:read")
        await self._line.pipelines.get(caller.organization, pipeline_id)
        found = await self._line.letters.page(caller.organization, pipeline_id, after, limit)
        return found, found[-1].id if len(found) == limit else None

    async def redrive(self, caller: Principal, pipeline_id: str, choice: Choice) -> int:
        """Sends letters again, from the step or to the destination where they failed, 50 a second; at most
        1,000 in one call. A letter is removed once it is on its queue. Returns how many were sent."""
        caller.require("pipelines:write")
        pipeline = await self._line.pipelines.get(caller.organization, pipeline_id)
        letters = await self._chosen(caller.organization, pipeline_id, choice)
        if choice.ids and len(letters) < len(set(choice.ids)):
            raise NotFound("Some of these dead letters are not there.", code="dead_letter_not_found")
        for start in range(0, len(letters), PER_SECOND):
            chunk = letters[start : start + PER_SECOND]
            delay = start // PER_SECOND * 1000
            current = pipeline.version if choice.version == "current" else None
            await asyncio.to_thread(self._send, caller.organization, chunk, current, delay)
            removals = (self._remove(caller.organization, pipeline_id, letter.id) for letter in chunk)
            await asyncio.gather(*removals)
        return len(letters)

    async def remove(self, caller: Principal, pipeline_id: str, letter_id: str) -> None:
        """Throws a letter away."""
        caller.require("pipelines:write")
        await self._line.pipelines.get(caller.organization, pipeline_id)
        await self._remove(caller.organization, pipeline_id, letter_id)

    async def _chosen(self, organization: str, pipeline_id: str, choice: Choice) -> list[Letter]:
        chosen: list[Letter] = []
        after = ""
        while len(chosen) < MAX_LETTERS:
            page = await self._line.letters.page(organization, pipeline_id, after, _PAGE)
            chosen += filter(choice.takes, page)
            if len(page) < _PAGE:
                break
            after = page[-1].id
        return chosen[:MAX_LETTERS]

    def _send(self, organization: str, letters: list[Letter], current: int | None, delay: int) -> None:
        for queue, kind in ((self._line.ingest, "step"), (self._line.deliveries, "destination")):
            bodies = [
                _message(organization, one, current or one.definition_version, self._line.clock())
                for one in letters
                if one.place.partition(":")[0] == kind
            ]
            queue.send(bodies, delay)

    async def _remove(self, organization: str, pipeline_id: str, letter_id: str) -> None:
        key = {"pk": f"{organization}#{pipeline_id}", "sk": letter_id}
        table = self._line.settings.dead_letters_table
        await self._line.dynamo.write(delete(table, key, existing=False))


def _message(organization: str, letter: Letter, version: int, now: int) -> str:
    """An order to begin at the step again, or a fresh delivery job."""
    kind, _, number = letter.place.partition(":")
    event = event_of(letter.event, letter.pipeline_id)
    if kind == "step":
        events = [recorded(event)]
        return order(organization, letter.pipeline_id, events=events, start=int(number), version=version)
    return Job(
        organization=organization,
        pipeline_id=letter.pipeline_id,
        definition_version=version,
        destination=int(number),
        created_at=now,
        events=[job_event(event)],
    ).encode()


def shown(letter: Letter) -> dict[str, Any]:
    """The JSON object as clients see it."""
    return {
        "id": letter.id,
        "place": letter.place,
        "version": letter.definition_version,
        "acceptedAt": iso(letter.at),
        "error": {"code": letter.code, "message": letter.message},
        "attempts": letter.attempts,
        "status": letter.status,
        "body": letter.body,
        "event": letter.event,
    }


def read_choice(asked: dict[str, Any]) -> Choice:
    """`{ids?, place?, code?, version?}`. Raises `InvalidRequest`."""
    ids = asked.get("ids", [])
    texts = [asked[name] for name in ("place", "code") if name in asked]
    fine = isinstance(ids, list) and len(ids) <= MAX_LETTERS and all(isinstance(one, str) for one in ids)
    if asked.keys() - {"ids", "place", "code", "version"} or not fine:
        raise InvalidRequest("Give `ids`, or `place` and `code`, or nothing for all of them.")
    if not all(isinstance(text, str) for text in texts):
        raise InvalidRequest("`place` and `code` are texts.")
    version = asked.get("version", "current")
    if version not in ("current", "original"):
        raise InvalidRequest("version: `current` or `original`.", code="invalid_version")
    return Choice(tuple(ids), asked.get("place"), asked.get("code"), version)
