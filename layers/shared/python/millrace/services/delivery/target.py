"""A job's destination, ready to be sent to: its configuration of the job's version, with secrets in place."""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import httpx

from millrace.destinations.catalogue import Catalogue, Sender, host_of, is_repeatable
from millrace.destinations.fates import Failure, Sent, Unsendable, fate_of_error
from millrace.destinations.secrets import Redactor, Resolved, resolve, secrets_of
from millrace.destinations.sending import Turn
from millrace.destinations.wire import Answer, Request, shown
from millrace.errors import is_transient
from millrace.net.fetch import fetch
from millrace.pipelines.definitions.definition import InvalidDefinition, PipelineDefinition, stored_definition
from millrace.pipelines.definitions.destinations import ChatConfig, Delivery, Destination, RateLimit
from millrace.pipelines.event import Event
from millrace.services.delivery.job import Job
from millrace.services.delivery.place import place_of
from millrace.stores.definitions import DefinitionStore
from millrace.stores.delivery_state import Place
from millrace.stores.secrets import SecretStore

log = logging.getLogger(__name__)

CHAT_RATE = RateLimit(per_second=1, burst=1)
REASON = 300
_DEFINITIONS = 500


@dataclass(frozen=True, slots=True)
class Target:
    """`place` is the destination's in the delivery state; it changes with the configuration. `mark` does not:
    it makes the ids that leave here differ from those of other destinations."""

    place: Place
    mark: str
    config: Delivery
    sender: Sender
    redact: Redactor = field(repr=False)

    async def send(self, events: Sequence[Event], turn: Turn) -> Sent:
        """Sends events under ids of this destination's own: a service that knows repetitions by ids may get
        the same event from two pipelines, and both are meant."""
        marked = [event.with_payload(event.payload, f"{event.id}-{self.mark}") for event in events]
        return await _send(self.sender, marked, turn)

    @property
    def repeatable(self) -> bool:
        return is_repeatable(self.config)

    @property
    def rate_limit(self) -> RateLimit | None:
        if self.config.rate_limit is None and isinstance(self.config, ChatConfig):
            return CHAT_RATE
        return self.config.rate_limit

    def reason(self, sent: Sent) -> str:
        """Why the last failed, in words, as it may be shown; "" where none did."""
        return self.redact(sent.failure.message)[:REASON] if sent.failure else ""

    def written(self, failure: Failure) -> Failure:
        """A failure as it may be stored and shown: without secrets, the first 1 KB of the body."""
        return Failure(
            failure.code,
            self.redact(failure.message),
            failure.status,
            shown(self.redact(failure.body)),
            failure.retry_after,
        )


async def _send(sender: Sender, events: Sequence[Event], turn: Turn) -> Sent:
    """Sends events. Senders tell fates rather than raise; one that raises all the same is called for halves,
    until the event at fault stands alone and gets its fate. Some may then be sent twice, none is lost."""
    try:
        return await sender.send(events, turn)
    except Exception as error:
        if is_transient(error):
            raise
        log.error("a sender raised %s", type(error).__name__)
        if len(events) < 2:
            return Sent([fate_of_error(error)] * len(events))
    middle = len(events) // 2
    first = await _send(sender, events[:middle], turn)
    rest = await _send(sender, events[middle:], turn)
    return Sent(
        [*first.fates, *rest.fates],
        first.succeeded + rest.succeeded,
        first.failed + rest.failed,
        first.gone or rest.gone,
    )


class Targets:
    """Finds and prepares the destinations of jobs."""

    def __init__(
        self,
        definitions: DefinitionStore,
        secrets: SecretStore,
        catalogue: Catalogue,
        client: httpx.AsyncClient,
    ) -> None:
        self._definitions = definitions
        self._secrets = secrets
        self._catalogue = catalogue
        self._client = client
        self._known: OrderedDict[tuple[str, str, int], PipelineDefinition] = OrderedDict()

    async def of(self, job: Job, answers: list[Answer] | None = None) -> Target:
        """Raises `Unsendable` for a destination that is gone or cannot work. `answers` gets what its server
        says, for those who want to see it."""
        destination = await self._destination(job)
        place = place_of(job.organization, job.pipeline_id, job.destination, destination)
        known = await self._secrets.read(job.organization, secrets_of(destination.config))
        config, resolved = resolve(destination.config, known)
        host = host_of(config)
        if host:
            resolved.check_host(host)
        sender = self._catalogue.sender(config, job.organization, self._post(resolved, answers))
        return Target(place, mark_of(job, destination), config, sender, Redactor(resolved))

    async def _destination(self, job: Job) -> Destination:
        targets = (await self._definition(job)).targets
        if job.destination >= len(targets):
            raise Unsendable("unknown_destination", f"The pipeline has no destination {job.destination}.")
        return targets[job.destination]

    async def _definition(self, job: Job) -> PipelineDefinition:
        """Versions never change, so they are kept."""
        key = (job.organization, job.pipeline_id, job.definition_version)
        if key not in self._known:
            document = await self._definitions.get(*key)
            if document is None:
                raise Unsendable("pipeline_gone", "The pipeline, or this version of it, was deleted.")
            self._known[key] = _parsed(document)
            if len(self._known) > _DEFINITIONS:
                self._known.popitem(last=False)
        return self._known[key]

    def _post(self, resolved: Resolved, answers: list[Answer] | None) -> "_Post":
        return _Post(self._client, resolved, answers)


def mark_of(job: Job, destination: Destination) -> str:
    """Eight characters for a destination, known by its name or else its number."""
    name = destination.name or job.destination
    return sha256(f"{job.pipeline_id}/{name}".encode()).hexdigest()[:8]


def _parsed(document: object) -> PipelineDefinition:
    try:
        return stored_definition(document)
    except InvalidDefinition as error:
        raise Unsendable(error.code, error.message) from None


class _Post:
    """Requests over the guarded client. The last gate: no secret goes to a host it is not bound to."""

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
    """The host as the client will read it."""
    try:
        return httpx.URL(url).raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError):
        raise Unsendable("invalid_url", "The destination's url, with its secrets, is no URL.") from None
