"""A conversation on the terminal: the answer grows above a line in which one can always type."""

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.patch_stdout import patch_stdout

from millrace.cli.approvals import value_of
from millrace.cli.output import line, plain
from millrace.cli.printing import ending, remark
from millrace.client import AsyncClient, MillraceError, NotStreamingError, RunState
from millrace.client.asynchronous import AsyncRunStream, Connecting
from millrace.client.parts import ApprovalPart
from millrace.domain.event_types import RunEvent

HELP = "/new begins another conversation, /stop stops the answer, /quit ends the chat."
Answering = Connecting[AsyncRunStream[RunEvent]]


class Talk:
    """A user at a terminal."""

    def __init__(self, client: AsyncClient, conversation: str, agent: str | None) -> None:
        self._client = client
        self._conversation = conversation
        self._agent = agent
        self._session: PromptSession[str] = PromptSession()
        self._answering: asyncio.Task[None] | None = None
        self._state = RunState()
        self._last_id: str | None = None
        self._partial = ""
        self._draft = ""

    async def run(self) -> None:
        """Talk until the user leaves."""
        who = self._agent or self._conversation
        print(f"You talk to {line(who)}. {HELP}")
        with patch_stdout(raw=True):
            while (text := await self._typed()) is not None:
                if text and not await self._handled(text):
                    break
        if self._answering is not None:
            self._answering.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._answering

    # --- typing ------------------------------------------------------------------------------------

    async def _typed(self) -> str | None:
        """Return the next line, "" if Ctrl-C stopped the answer, or None at the end."""
        draft, self._draft = self._draft, ""
        try:
            return (await self._session.prompt_async(self._prompt, default=draft)).strip()
        except KeyboardInterrupt:
            if not self._runs and not self._asked:
                return None
            self._draft = self._session.default_buffer.text
            await self._stop()
            return ""
        except EOFError:
            return None

    def _prompt(self) -> FormattedText:
        """Return the input line, below the incomplete last line of the answer."""
        above = ("", self._partial + "\n") if self._partial else ("", "")
        if self._runs and not self._partial:
            above = ("fg:ansibrightblack", f"{line(self._state.activity or '…')}\n")
        return FormattedText([above, ("bold", self._question)])

    @property
    def _question(self) -> str:
        if not self._asked:
            return "> "
        return "answer> " if self._asked[0].kind == "question" else "approve? [y/n]> "

    async def _handled(self, text: str) -> bool:
        """Handle a line. Return False to leave."""
        if text in ("/quit", "/exit"):
            return False
        try:
            if text == "/stop":
                await self._stop()
            elif text == "/new":
                self._conversation = f"cli-{uuid4()}"
                self._forget_run()
            elif text == "/help":
                print(HELP)
            elif self._asked:
                await self._reply(text)
            elif self._runs:
                await self._inject(text)
            else:
                self._send(text)
        except MillraceError as error:
            self._say(f"! {error}")
        return True

    # --- the run -----------------------------------------------------------------------------------

    @property
    def _runs(self) -> bool:
        return self._answering is not None and not self._answering.done()

    @property
    def _asked(self) -> list[ApprovalPart]:
        return [] if self._runs or self._state.is_over else self._state.waiting

    def _send(self, text: str) -> None:
        self._forget_run()
        sending = self._client.conversations.send_message_stream(
            self._conversation, text, agent_id=self._agent
        )
        self._answering = asyncio.create_task(self._follow(sending))

    def _forget_run(self) -> None:
        self._state, self._last_id = RunState(), None

    async def _inject(self, text: str) -> None:
        """Send a live message. If the run has just ended, it becomes the next question."""
        try:
            await self._client.conversations.inject(self._conversation, text)
            self._say("(The agent sees it at its next step.)")
        except NotStreamingError:
            if self._answering is not None:
                await self._answering
            self._send(text)

    async def _stop(self) -> None:
        with contextlib.suppress(NotStreamingError):
            await self._client.conversations.stop(self._conversation)
        if not self._runs and self._state.run_id:
            self._go_on(self._state.run_id)

    async def _reply(self, text: str) -> None:
        """Answer the waiting call. The run continues after the last answer."""
        call, run_id = self._asked[0], str(self._state.run_id)
        given = _answer(call, text)
        if given is None:
            print("Please answer y or n.")
            return
        await self._client.approvals.answer(run_id, call.call_id, **given)
        call.state = "answered"
        if not self._asked:
            self._go_on(run_id)

    def _go_on(self, run_id: str) -> None:
        rest = self._client.runs.stream(run_id, after=self._last_id)
        self._answering = asyncio.create_task(self._follow(rest))

    async def _follow(self, connecting: Answering) -> None:
        try:
            async with connecting as stream:
                async for event in stream:
                    self._last_id = stream.last_event_id
                    self._state.apply(event, self._last_id)
                    self._show(event)
        except MillraceError as error:
            self._say(f"! {error}")
        self._flush()
        if self._state.status == "error" and self._state.error:
            self._say(f"! {self._state.error['message']}")
        elif self._state.is_over:
            self._say(f"({ending(self._state)})")
        self._session.app.invalidate()

    # --- showing -----------------------------------------------------------------------------------

    def _show(self, event: Mapping[str, Any]) -> None:
        if piece := self._state.piece(event):
            width = max(20, shutil.get_terminal_size().columns - 1)
            *rows, self._partial = _rows(self._partial + plain(piece), width)
            for row in rows:
                print(row)
        elif (text := remark(event)) is not None and "parent" not in event:
            self._say(text)
        self._session.app.invalidate()

    def _say(self, text: str) -> None:
        self._flush()
        print(plain(text))

    def _flush(self) -> None:
        if self._partial:
            text, self._partial = self._partial, ""
            print(text)


def _rows(text: str, width: int) -> list[str]:
    """Split a text into lines of at most `width` characters, between words if possible."""
    rows = []
    for row in text.split("\n"):
        while len(row) > width:
            end = row.rfind(" ", 1, width + 1)
            end = width if end < 0 else end
            rows.append(row[:end])
            row = row[end:].removeprefix(" ")
        rows.append(row)
    return rows


def _answer(call: ApprovalPart, text: str) -> dict[str, Any] | None:
    """Return the answer that a line gives to a call, or None."""
    if call.kind == "question":
        return {"decision": "answer", "content": value_of(text) if call.schema else text}
    word = text.lower()
    if word in ("y", "yes"):
        return {"decision": "approve"}
    return {"decision": "reject"} if word in ("n", "no") else None
