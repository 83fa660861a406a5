"""Handlers that are not ASGI apps, and one that is turned into one."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette


async def streams(event: Any, context: Any) -> AsyncIterator[Any]:
    print(f"{context.aws_request_id} {event['rawPath']}")
    yield {"statusCode": 201, "headers": {"x-kind": "generator", "vary": ["a", "b"]}, "cookies": ["a=1"]}
    yield "one "
    yield b"two"


async def only_text(event: Any, context: Any) -> AsyncIterator[str]:
    yield "jüst text"


async def yields_nonsense(event: Any, context: Any) -> AsyncIterator[Any]:
    yield "half"
    yield 5


def factory() -> Starlette:
    return Starlette()


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


class WSGI:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


flask_like = WSGI()


def plain(event: Any, context: Any) -> str:
    return "whole"


async def coroutine(event: Any, context: Any) -> str:
    return "whole"


def defaulted(event: Any, context: Any, extra: Any = None) -> str:
    return "whole"


def one(scope: Any) -> None: ...
