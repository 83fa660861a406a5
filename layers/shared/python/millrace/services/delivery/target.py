"""A job's destination, prepared for sending: the latest configuration with its secrets filled in."""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

from millrace.destinations.catalog import DestinationCatalog, Kind, Sender, kind_of
from millrace.destinations.results import Failure, SendReport, Unsendable, result_of_error
from millrace.destinations.secrets import Redactor, Resolved, resolve, secrets_of
from millrace.destinations.sending import WaitForSlot
from millrace.destinations.wire import Answer, Request, excerpt
from millrace.domain.clock import Clock, now_ms
from millrace.domain.token_bucket import Rate
from millrace.errors import NotFound, is_transient
from millrace.net.fetch import fetch
from millrace.pipelines.definitions.definition import InvalidDefinition, PipelineDefinition, stored_definition
from millrace.pipelines.definitions.destinations import Destination, DestinationConfig, RateLimit
from millrace.pipelines.event import Event
from millrace.services.delivery.destination_keys import destination_key_of
from millrace.services.delivery.job import Job
from millrace.stores.delivery_state import DestinationKey
from millrace.stores.pipelines import PipelineStore
from millrace.stores.secrets import SecretStore

log = logging.getLogger(__name__)

REASON = 300
_DEFINITIONS = 500
LATEST_MS = 5_000


@dataclass(frozen=True, slots=True)
class Target:
    """A destination that is ready for sending.

    `destination_key` is its key in the delivery state, which changes with the configuration. `id_namespace`
    does not change, and distinguishes the ids of its events from those of other destinations.
    """

    destination_key: DestinationKey
    id_namespace: str
    config: DestinationConfig
    sender: Sender
    redact: Redactor = field(repr=False)

    async def send(self, events: Sequence[Event], wait_for_slot: WaitForSlot) -> SendReport:
        """Send events with ids specific to this destination.

        A service that detects duplicates by ids may get the same event from two pipelines, and both are
        intended.
        """
        marked = [event.with_payload(event.payload, f"{event.id}-{self.id_namespace}") for event in events]
        return await _send(self.sender, marked, wait_for_slot)

    @property
    def _kind(self) -> Kind[Any]:
        return kind_of(self.config)

    @property
    def repeatable(self) -> bool:
        return self._kind.repeatable

    @property
    def rate_limit(self) -> RateLimit | None:
        return self.config.rate_limit or self._kind.rate_limit

    @property
    def rate(self) -> Rate | None:
        """The same as a rate to reserve from."""
        limit = self.rate_limit
        return Rate(limit.per_second, limit.burst) if limit else None

    def reason(self, sent: SendReport) -> str:
        """Return the reason of the last failure as displayed, or "" if there was none."""
        return self.redact(sent.failure.message)[:REASON] if sent.failure else ""

    def written(self, failure: Failure) -> Failure:
        """Return a failure that may be stored and shown: without secrets, and with the first 1 KB of the
        body."""
        return Failure(
            failure.code,
            self.redact(failure.message),
            failure.status,
            # Redact before truncating, because part of a secret would not be recognized.
            excerpt(self.redact(failure.body)),
            failure.retry_after,
        )


async def _send(sender: Sender, events: Sequence[Event], wait_for_slot: WaitForSlot) -> SendReport:
    """Send events.

    Senders return results rather than raise. If one raises anyway, halves of the events are tried until the
    faulty event is alone and gets its result. Some may be sent twice, but none is lost.
    """
    try:
        return await sender.send(events, wait_for_slot)
    except Exception as error:
        if is_transient(error):
            raise
        # Only the type, because the message may contain a credential or a customer's data.
        log.error("a sender raised %s", type(error).__name__)
        if len(events) < 2:
            return SendReport([result_of_error(error)] * len(events))
    middle = len(events) // 2
    first = await _send(sender, events[:middle], wait_for_slot)
    rest = await _send(sender, events[middle:], wait_for_slot)
    return SendReport(
        [*first.results, *rest.results],
        first.succeeded + rest.succeeded,
        first.failed + rest.failed,
        first.gone or rest.gone,
    )


class Targets:
    """Finds and prepares the destinations of jobs.

    A job is sent according to its pipeline's newest version, at most `LATEST_MS` old: retries get the
    corrected URL, headers or retry policy, and nothing is sent for a deleted pipeline.
    """

    def __init__(
        self,
        pipelines: PipelineStore,
        secrets: SecretStore,
        catalog: DestinationCatalog,
        client: httpx.AsyncClient,
        clock: Clock = now_ms,
    ) -> None:
        self._clock = clock
        self._latest: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._pipelines = pipelines
        self._secrets = secrets
        self._catalog = catalog
        self._client = client
        self._known: OrderedDict[tuple[str, str, int], PipelineDefinition] = OrderedDict()

    async def of(self, job: Job, answers: list[Answer] | None = None) -> Target:
        """Return the target of a job. `answers` collects the server's answers for those who want to see them.

        Raises `Unsendable` for a destination that was removed or cannot work.
        """
        index, destination = await self._destination(job)
        destination_key = destination_key_of(job.organization, job.pipeline_id, index, destination)
        known = await self._secrets.read(job.organization, secrets_of(destination.config))
        config, resolved = resolve(destination.config, known)
        host = kind_of(config).connection_host(config)
        if host:
            resolved.check_host(host)
        sender = self._catalog.sender(config, job.organization, self._post(resolved, answers))
        return Target(destination_key, id_namespace_of(job, destination), config, sender, Redactor(resolved))

    async def _destination(self, job: Job) -> tuple[int, Destination]:
        """Return the number and the configuration of the job's destination in the newest version."""
        newest = await self._newest(job)
        own = (await self._definition(job, job.definition_version)).targets
        if job.destination >= len(own):
            raise Unsendable("unknown_destination", f"The pipeline has no destination {job.destination}.")
        if newest == job.definition_version:
            return job.destination, own[job.destination]
        return counterpart(own, job.destination, (await self._definition(job, newest)).targets)

    async def _newest(self, job: Job) -> int:
        """Return the number of the pipeline's newest version."""
        key = (job.organization, job.pipeline_id)
        at, version = self._latest.get(key, (0, 0))
        if self._clock() - at >= LATEST_MS:
            found = await self._pipelines.versions(*key, None, 1)
            if not found:
                raise Unsendable("pipeline_gone", "The pipeline was deleted.")
            version = int(found[0]["version"])
            self._remember((*key, version), found[0]["definition"])
            self._latest[key] = (self._clock(), version)
            if len(self._latest) > _DEFINITIONS:
                self._latest.popitem(last=False)
        # The cached number may be older than the job, whose version was written in the meantime.
        return max(version, job.definition_version)

    async def _definition(self, job: Job, version: int) -> PipelineDefinition:
        """Return a version's definition. Versions never change, so they are cached."""
        key = (job.organization, job.pipeline_id, version)
        if key not in self._known:
            try:
                document = await self._pipelines.definition(*key)
            except NotFound:
                raise Unsendable(
                    "pipeline_gone", "The pipeline, or this version of it, was deleted."
                ) from None
            self._remember(key, document)
        return self._known[key]

    def _remember(self, key: tuple[str, str, int], document: object) -> None:
        if key not in self._known:
            self._known[key] = _parsed(document)
            if len(self._known) > _DEFINITIONS:
                self._known.popitem(last=False)

    def _post(self, resolved: Resolved, answers: list[Answer] | None) -> "_Post":
        return _Post(self._client, resolved, answers)


def counterpart(
    own: Sequence[Destination], index: int, newer: Sequence[Destination]
) -> tuple[int, Destination]:
    """Return the counterpart of a destination in a newer version, with its number there.

    That is the destination with the same name, or with the same number if neither has a name and the count is
    unchanged. Otherwise it stays as it was: a waiting event is never sent to another destination.
    """
    mine = own[index]
    if mine.name:
        found = [n for n, each in enumerate(newer) if each.name == mine.name]
    else:
        found = [index] if len(newer) == len(own) and not newer[index].name else []
    same = [n for n in found if type(newer[n].config) is type(mine.config)]
    return (same[0], newer[same[0]]) if same else (index, mine)


def id_namespace_of(job: Job, destination: Destination) -> str:
    """Return eight characters for a destination, derived from its name or else its number."""
    name = destination.name or job.destination
    return sha256(f"{job.pipeline_id}/{name}".encode()).hexdigest()[:8]


def _parsed(document: object) -> PipelineDefinition:
    try:
        return stored_definition(document)
    except InvalidDefinition as error:
        raise Unsendable(error.code, error.message) from None


class _Post:
    """Sends requests over the guarded client. The last check: no secret goes to a host it is not bound to."""

    def __init__(
        self, client: httpx.AsyncClient, resolved: Resolved, answers: list[Answer] | None = None
    ) -> None:
        self._client = client
        self._resolved = resolved
        self._answers = answers

    async def __call__(self, request: Request) -> Answer:
        self._resolved.check_host(_host(request.url))
        found = await fetch(
            self._client,
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.content,
        )
        answer = Answer(found.status, found.headers, found.body)
        if self._answers is not None:
            self._answers.append(answer)
        return answer


def _host(url: str) -> str:
    """Return the host as the client will read it."""
    try:
        return httpx.URL(url).raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError):
        raise Unsendable(
            "invalid_url", "The destination's url is not valid after its secrets are filled in."
        ) from None
