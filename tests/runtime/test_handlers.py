"""Handlers: ASGI apps of every form, async generators, and advice for everything else."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from streaming_runtime.asgi import ASGIApp, Receive, Scope, Send
from streaming_runtime.handler_kinds import as_app
from tests.runtime.harness import runtime
from tests.runtime.host import Host, url_event
from tests.runtime.send import hello

ERROR_TYPE = "lambda-runtime-function-error-type"


class Endpoint:
    """An ASGI app as a class, like Starlette's `HTTPEndpoint`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def __await__(self) -> Any: ...


class Application:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


async def with_more(extra: int, scope: Scope, receive: Receive, send: Send) -> None: ...


async def anything(*arguments: Any) -> None: ...


@pytest.mark.parametrize("app", [hello, Endpoint, Application(), Application().__call__, anything])
def test_asgi_app_of_every_form_is_taken_as_it_is(app: ASGIApp) -> None:
    assert as_app(app, "module.app") is app


def test_partial_of_an_asgi_app_is_an_asgi_app() -> None:
    app = partial(with_more, 1)
    assert as_app(app, "module.app") is app


@pytest.mark.parametrize(
    ("handler", "advice"),
    [
        ("kinds.factory", "like a factory: call it in the module, `app = factory()`"),
        ("kinds:factory", "`app = factory()`"),
        ("kinds.wsgi", "it is a WSGI app"),
        ("kinds.flask_like", "asgiref.wsgi.WsgiToAsgi(flask_like)"),
        ("kinds.plain", "make it an async generator"),
        ("kinds.coroutine", "it is a function of event and context"),
        ("kinds.defaulted", "it is a function of event and context"),
        ("kinds.Starlette", "it is a class: make an instance"),
        ("kinds.one", "it cannot be called with scope, receive and send"),
    ],
)
async def test_handler_of_another_kind_fails_at_init_with_advice(
    host: Host, tmp_path: Path, handler: str, advice: str
) -> None:
    with runtime(host, handler, tmp_path) as child:
        assert await child.exit() == 1
    [(path, headers, error)] = host.reports
    assert (path, headers[ERROR_TYPE]) == ("/2018-06-01/runtime/init/error", "Runtime.UnsupportedHandler")
    assert advice in error["errorMessage"]
    assert advice in child.output


async def test_async_generator_is_streamed(host: Host, tmp_path: Path) -> None:
    with runtime(host, "kinds.streams", tmp_path) as child:
        call = await host.invoke(url_event("/here")).done()
        assert f"{call.request_id} /here" in child.output
    assert call.prelude == {
        "statusCode": 201,
        "headers": {"x-kind": "generator", "vary": "a, b", "content-type": "text/plain; charset=utf-8"},
        "cookies": ["a=1"],
    }
    assert call.chunks[1:] == [b"one ", b"two"]


async def test_async_generator_needs_no_metadata(host: Host, tmp_path: Path) -> None:
    with runtime(host, "kinds.only_text", tmp_path):
        call = await host.invoke().done()
    assert (call.prelude["statusCode"], call.body) == (200, "jüst text".encode())


async def test_value_that_cannot_be_sent_is_an_error_that_says_so(host: Host, tmp_path: Path) -> None:
    with runtime(host, "kinds.yields_nonsense", tmp_path) as child:
        call = await host.invoke().done()
        await host.invoke().done()
    assert (call.body, call.trailers[ERROR_TYPE]) == (b"half", "Runtime.InvalidResponse")
    assert "the generator yielded int" in child.output
