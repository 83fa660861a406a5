"""The language model of an agent in code."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from hashlib import sha256
from typing import Any

import orjson
from msgspec import Struct, field
from msgspec.structs import replace

from millrace.agent.attachments import Attachments
from millrace.agent.budget import Budget
from millrace.agent.code.record import key_of, text_given
from millrace.agent.code.run import CodeRun
from millrace.agent.control import RunControl
from millrace.agent.dialects import dialect_of
from millrace.agent.emitter import Emitter
from millrace.agent.model import Message, ModelRequest, Provider, Usage
from millrace.agent.model_calls import ModelCalls
from millrace.agent.retries import LONGEST_WAIT, TRIES, retry_notice, wait_before_retry
from millrace.agent.turn import Turn
from millrace.domain import events
from millrace.domain.agents import Agent
from millrace.domain.events import Event
from millrace.errors import InvalidRequest, ProviderError

MODEL_STEP = "step__model"
Prompt = str | Sequence[Message]
FindModel = Callable[[Agent], tuple[Provider, str]]
FindAttachments = Callable[[Agent, object, str], Attachments]
"""Returns the attachments that a model accepts, given the agent, the provider and the model with its
prefix."""


def no_attachments(agent: Agent, provider: object, model: str) -> Attachments:
    """Return the attachments of a model that accepts none."""
    return Attachments()


class LimitReached(Exception):
    """No more model calls may be made; `reason` is the finish reason of the run."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RunUsage(Struct, frozen=True):
    """The tokens of a run and their cost in US dollars, which is None once a price or a count is not known.
    `estimated` is true if some server did not count the tokens."""

    input_tokens: int
    output_tokens: int
    cost: float | None
    estimated: bool


class AgentModel(Struct, frozen=True):
    """Asks models on behalf of an agent in code and counts their usage for the run. `agent` has the model for
    calls that name none."""

    run: CodeRun
    agent: Agent
    find: FindModel
    calls: ModelCalls
    budget: Budget
    control: RunControl
    attachments: FindAttachments = no_attachments
    _known: dict[str, Attachments] = field(default_factory=dict)

    @property
    def usage(self) -> RunUsage:
        """See `AgentContext.usage`."""
        used = self.budget
        return RunUsage(used.input, used.output, used.cost, used.estimated)

    async def ask(self, prompt: Prompt, *, system: str = "", model: str = "") -> str:
        """Return the answer to a prompt, which is a text or `ctx.messages`. This is a step: the answer is
        stored before this returns, and is not shown. Raises `ProviderError`."""

        async def whole() -> str:
            return "".join(
                [
                    event["token"]
                    async for event in self._answer_events(prompt, system, model)
                    if "token" in event
                ]
            )

        answer = await self.run.call(MODEL_STEP, self._public(prompt, system, model), whole)
        return text_given(answer, MODEL_STEP)

    async def stream(self, prompt: Prompt, *, system: str = "", model: str = "") -> AsyncIterator[str]:
        """Stream the answer in pieces; the model's reasoning is shown as the agent's. The answer is stored
        with the next step, so that the stream does not wait for that. Raises `ProviderError`."""
        shown = self._public(prompt, system, model)
        known = self.run.noted_result(key_of(MODEL_STEP, shown))
        if known is not None:
            yield known
            return
        pieces: list[str] = []
        try:
            async for event in self._answer_events(prompt, system, model):
                if "token" in event:
                    pieces.append(event["token"])
                    yield event["token"]
                else:
                    self.run.say(event)
        finally:
            self.run.note(MODEL_STEP, shown, "".join(pieces))

    def used(
        self, model: str, input_tokens: int, output_tokens: int, *, cache_read: int = 0, cache_write: int = 0
    ) -> None:
        """Count the usage of a model that the agent called itself. `model` is `provider:model`. Tokens read
        from or written to a prompt cache are part of the input."""
        self.budget.spend(model, Usage(input_tokens, output_tokens, cache_read, cache_write))

    async def with_files(
        self, messages: Sequence[Message], model: str, provider: object = None
    ) -> list[Message]:
        """Return the messages as a model accepts them: `data` (base64) for images and PDFs, text files as
        text, and notes for everything else."""
        return await self._files(model, provider).resolved(messages)

    def _files(self, model: str, provider: object) -> Attachments:
        if model not in self._known:
            self._known[model] = self.attachments(self.agent, provider, model)
        return self._known[model]

    async def _answer_events(self, prompt: Prompt, system: str, model: str) -> AsyncIterator[Event]:
        """Yield the tokens and thoughts of one answer. A failed call is repeated if nothing of the answer has
        arrived."""
        asked = self.agent.model_copy(update={"model": model or self.agent.model})
        provider, name = self.find(asked)
        files = self._files(asked.model, provider)
        attempt = 1
        while True:
            if reason := self.budget.exhausted():
                raise LimitReached(reason)
            request = self._request(prompt, system, name)
            request = replace(request, messages=await files.resolved(request.messages))
            turn = _Answer(asked, request)
            try:
                async for event in turn.events(provider):
                    yield event
                self.calls.ended(asked.model, turn.turn, request)
                return
            except ProviderError as error:
                self.calls.ended(asked.model, turn.turn, request, error)
                if turn.turn.started or not files.shrink(error, request):
                    await self.wait_after(error, attempt, started=turn.turn.started)
                    attempt += 1
            except BaseException:  # canceled: what was used still counts
                self.calls.ended(asked.model, turn.turn, request, None, "stopped")
                raise

    async def wait_after(self, error: ProviderError, attempt: int, *, started: bool = False) -> None:
        """Wait before asking a model again, as the agents' loop does. `attempt` is the number of the failed
        attempt, starting at 1.

        Raises the error if the model must not be asked again, for example because it has `started` to answer,
        and `Suspended` if the run is queued until then.
        """
        if started or not error.retryable:
            raise error
        if attempt == TRIES or (error.retry_after or 0.0) > LONGEST_WAIT:
            self.control.postpone(error)
        if attempt == TRIES:
            raise error
        wait = wait_before_retry(error, attempt)
        self.run.say(events.status(f"{error.message} {retry_notice(error, wait)}", "⏳"))
        await asyncio.sleep(wait)

    def _request(self, prompt: Prompt, system: str, name: str) -> ModelRequest:
        messages = (
            [{"role": "user", "content": [{"text": prompt}]}] if isinstance(prompt, str) else list(prompt)
        )
        if not messages:
            raise InvalidRequest("A model needs a prompt.")
        return ModelRequest(
            name, system or self.agent.instructions, messages, max_tokens=self.budget.call_tokens()
        )

    def _public(self, prompt: Prompt, system: str, model: str) -> dict[str, Any]:
        """Return the arguments by which a replay recognizes the call. The prompt is hashed, as it may be
        large and is in the history anyway."""
        asked = orjson.dumps([prompt if isinstance(prompt, str) else list(prompt), system])
        return {"model": model or self.agent.model, "prompt": sha256(asked).hexdigest()[:16]}


class _Answer:
    """One answer of a model, event by event."""

    def __init__(self, agent: Agent, request: ModelRequest) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._request = request
        self.turn = Turn(Emitter(self._queue.put_nowait), agent.react, dialect_of(agent))

    async def events(self, provider: Provider) -> AsyncGenerator[Event, None]:
        task = asyncio.create_task(self.turn.stream(provider, self._request))
        task.add_done_callback(lambda _: self._queue.put_nowait(None))
        try:
            while (event := await self._queue.get()) is not None:
                yield event
            await task
        finally:
            task.cancel()
            await asyncio.wait({task})
