"""The whole stack on one machine: the emulator with the template, the functions, one address in front.

with Stack(options, listening_socket, console) as stack:
    asyncio.run(stack.serve())                # until a signal, or `stack.end()`
"""

import asyncio
import json
import os
import shlex
import socket
from collections.abc import Coroutine, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx

from local import configuration, reload
from local.app import App
from local.console import Console
from local.demo import PATH, Received, ensure_pipeline
from local.deploy import Deployment, Function, deploy, update_code
from local.emulated_logs import EmulatedLogs
from local.environments import LIMIT, Environments
from local.front import Front, own_pages, web_pages
from local.function_urls import FunctionUrlApp
from local.invocation import FunctionFailed
from local.ministack import REGION, MiniStack
from local.own_code import mistake_in
from local.queues import undrained
from local.server import Server
from local.shell import function_variables, template_parameters
from local.sign_in import DEV_ORGANIZATION, DEV_USER, SignIn, User
from local.template import read_template
from local.token import DEFAULT_PORT, TokenError, fetch_token
from local.web import WebFiles

_WATCH_SECONDS = 1.0
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Options:
    """Options of the stack. `keep` is the folder for the state, or None to discard it. `limit` is the maximum
    number of environments of a function. `demo` adds the demo pipeline to the dev organization. The files in
    the folder `configuration` are applied to it. `app` is the project's own code."""

    template: Path = ROOT / "template.yaml"
    web: Path = ROOT / "web" / "dist"
    keep: Path | None = None
    reload: bool = False
    limit: int = LIMIT
    demo: bool = False
    configuration: Path | None = None
    app: App | None = None


class Stack:
    """Everything that runs. Entering starts the emulator and deploys, and `serve` does the rest."""

    def __init__(self, options: Options, listening: socket.socket, console: Console) -> None:
        self._options = options
        self._listening = listening
        self._console = console
        self._extra = function_variables(os.environ, options.app)
        self._ministack = MiniStack(state_dir=_folder(options.keep), environ=self._extra)
        self._functions: dict[str, Environments] = {}
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._ministack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ministack.stop()

    def end(self) -> None:
        """Make `serve` return, ending active requests."""
        if self._server:
            self._server.should_exit = self._server.force_exit = True

    async def serve(self) -> None:
        self._functions = {name: self._environments(one) for name, one in self._served_functions()}
        self._server = Server(self._front())
        serving = asyncio.create_task(self._server.serve(sockets=[self._listening]))
        warming = self._help("Warming up", self._warm_up())
        helpers = [warming, self._help("Logs", self._logs()), self._help("Watching", self._watch())]
        if self._options.demo and self.dev_user:
            helpers.append(self._help("The demo pipeline", self._demonstrate(warming)))
        folder = self._options.configuration
        if folder and configuration.has_files(folder) and self.dev_user:
            helpers.append(self._help("The configuration", self._configure(folder, warming)))
        if self._options.reload:
            helpers.append(self._help("Reloading", self._reload()))
        try:
            await asyncio.wait({serving})
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*(one.stop() for one in self._functions.values()))
            await asyncio.gather(*helpers, return_exceptions=True)

    def _help(self, what: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run work in the background. A failure is reported and ends nothing else."""

        async def report_failure() -> None:
            try:
                await work
            except Exception as error:  # whatever it is, the functions continue
                self._console.say(f"{what} has failed: {error!r}", "red")

        return asyncio.create_task(report_failure())

    # --- starting ------------------------------------------------------------------------------

    def _start(self) -> None:
        template = read_template(self._options.template, REGION, self._options.app)
        self._ministack.start()
        self._console.step("AWS is up (MiniStack: DynamoDB, SQS, EventBridge, S3, Cognito)")
        self.arguments = self._ministack.client_arguments()
        wanted = template_parameters(os.environ, self._own_address(), demo=self._options.demo)
        parameters = {name: value for name, value in wanted.items() if name in template.parameters}
        self.deployment: Deployment = deploy(template, self.arguments, parameters=parameters)
        self._console.step(f"{self._options.template.name} is deployed: {_summary(self.deployment)}")
        if self.deployment.left_out:
            self._console.say(f"Not emulated: {', '.join(self.deployment.left_out)}", "yellow")
        self.sign_in = SignIn(self.deployment, self.arguments)
        self.dev_user = self._dev_user()
        self._console.functions(self.deployment.functions)

    def _own_address(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def _dev_user(self) -> User | None:
        return self.sign_in.ensure_user(DEV_USER, DEV_ORGANIZATION) if self.sign_in.pool else None

    def _served_functions(self) -> Iterator[tuple[str, Function]]:
        """Yield the functions with a URL. The emulator runs the others from their queues."""
        return ((name, one) for name, one in self.deployment.functions.items() if one.url)

    def _environments(self, function: Function) -> Environments:
        on_line = partial(self._console.line, function.logical_id)
        return Environments(function, self.arguments, on_line, self._extra, self._options.limit)

    def _front(self) -> Front:
        routes: dict[str, Any] = {}
        for name, environments in self._functions.items():
            function = self.deployment.functions[name]
            assert function.url is not None
            app = FunctionUrlApp(function.url, environments, self._console.served)
            routes |= dict.fromkeys(function.source.routes, app)
        received = Received(lambda event: self._console.say(f"Received at {PATH}: {event}", "green"))
        own = own_pages(self.sign_in, self.dev_user, self._description(), self._console.kept_lines, received)
        return Front(routes, own, web_pages(WebFiles(self._options.web)))

    def _description(self) -> dict[str, Any]:
        """Return the body of `/_local/stack`."""
        deployment = self.deployment
        return {
            "arguments": self.arguments,
            "pid": os.getpid(),
            "ministack_pid": self._ministack.pid,
            "tables": deployment.tables,
            "resources": deployment.resources,
            "outputs": deployment.outputs,
            "functions": {name: _described(one) for name, one in deployment.functions.items()},
            "dev_user": asdict(self.dev_user) if self.dev_user else None,
        }

    async def _warm_up(self) -> None:
        """Start one environment of each function before its first request."""
        await asyncio.gather(*(self._warm_up_one(name) for name in self._functions))
        for finding in await undrained(self.arguments):
            self._console.say(f"Not ready. {finding}", "red")
        self._console.step("ready")
        self._console.say(self._greeting(*await asyncio.to_thread(self._first_agent)))

    async def _demonstrate(self, warming: asyncio.Task[None]) -> None:
        """Create the demo pipeline, once its API is warm."""
        await warming
        token = await asyncio.to_thread(fetch_token, self._own_address())
        await ensure_pipeline(self._own_address(), token)

    async def _configure(self, folder: Path, warming: asyncio.Task[None]) -> None:
        """Apply the project's files; with `reload` again whenever they change."""
        await warming
        await self._apply_files(folder)
        if self._options.reload:
            async for _ in configuration.changes(folder):
                await self._apply_files(folder)

    async def _apply_files(self, folder: Path) -> None:
        token = await asyncio.to_thread(fetch_token, self._own_address())
        await configuration.apply_files(folder, self._own_address(), token, self._console)

    async def _warm_up_one(self, name: str) -> None:
        try:
            seconds = await self._functions[name].warm()
        except FunctionFailed as failure:
            self._console.say(f"{name} does not start. {failure.kind}: {failure}", "red")
        else:
            self._console.step(f"{name} is warm (its init took {seconds:.1f} s)")

    async def _watch(self) -> None:
        """End the stack if the emulator dies, because nothing works without it."""
        while self._ministack.running:  # noqa: ASYNC110 - it is a process, without events
            await asyncio.sleep(_WATCH_SECONDS)
        self._console.say(f"MiniStack has died. Its last output:\n{self._ministack.last_words()}", "red")
        self.end()

    async def _logs(self) -> None:
        functions, console = self.deployment.functions, self._console
        await EmulatedLogs(functions, self.arguments, self._ministack.log, console.line).follow()

    def _first_agent(self) -> tuple[str, str]:
        """Return the page's first agent, and a question for it."""
        try:
            token = fetch_token(self._own_address())
            headers = {"authorization": f"Bearer {token}"}
            answer = httpx.get(f"{self._own_address()}/api/agents?limit=1", headers=headers, timeout=10)
            first = answer.raise_for_status().json()["items"][0]
        except (TokenError, httpx.HTTPError, ValueError, LookupError):
            return "demo", "Hello"  # for a template without our API
        return first["id"], next(iter(first["starters"]), "Hello")

    def _greeting(self, agent: str, question: str) -> str:
        port = self._listening.getsockname()[1]
        token = "make -s token" + ("" if port == DEFAULT_PORT else f" MILLRACE_PORT={port}")
        lines = ["", f"  Millrace runs on {self.url}"]
        if self.dev_user:
            lines += [
                f"  Sign in as {self.dev_user.username} with {self.dev_user.password}",
                f"  For scripts: {token}",
                f"    curl -N {self.url}/api/conversations/first/messages \\",
                f'      -H "authorization: Bearer $({token})" -H "accept: text/event-stream" \\',
                f'      -H "content-type: application/json" -d {shlex.quote(_message(agent, question))}',
            ]
        if self._options.demo:
            lines.append(f"  A demo pipeline tells of completed runs: curl {self.url}{PATH}")
        return "\n".join([*lines, "  Ctrl-C ends it.", ""])

    # --- reloading -----------------------------------------------------------------------------

    async def _reload(self) -> None:
        async for change in reload.changes(self.deployment, self._options.template):
            await self._apply(change)

    async def _apply(self, change: reload.Change) -> None:
        if change.template:
            self._console.say("The template changed: start again to deploy it.", "yellow")
        app = self._options.app
        if change.functions and app and (mistake := await mistake_in(app, self._extra)):
            # Each function would print it, below a traceback of its own.
            self._console.say(f"{mistake}\nThe functions keep the code that they have.", "red")
            return
        for name in change.functions:
            await self._restart(name)

    async def _restart(self, name: str) -> None:
        if environments := self._functions.get(name):
            await environments.restart()
            await self._warm_up_one(name)
        else:
            await asyncio.to_thread(update_code, self.deployment.functions[name], self.arguments)
            self._console.say(f"{name} has new code", "dim")


def _message(agent: str, content: str) -> str:
    return json.dumps({"agentId": agent, "content": content}, ensure_ascii=False)


def _folder(keep: Path | None) -> Path | None:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    return keep.resolve() if keep else None


def _described(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        "environment": function.environment,
        "routes": function.source.routes,
        "streamed": bool(function.url and function.url.streamed),
    }


def _summary(deployment: Deployment) -> str:
    return f"{len(deployment.functions)} functions, {len(deployment.tables)} tables"
