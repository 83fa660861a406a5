"""Kinds of handlers: ASGI apps, async generators of event and context, and unsupported ones, which get
advice."""

import inspect
from collections.abc import Callable
from typing import Any

from streaming_runtime.asgi import ASGIApp
from streaming_runtime.errors import SetupError
from streaming_runtime.generator import generator_app

FACTORY = "it takes no arguments like a factory: call it in the module, `app = {name}()`, and name `app`"
WSGI = "it is a WSGI app: wrap it in the module, `app = asgiref.wsgi.WsgiToAsgi({name})`, and name `app`"
HANDLER = (
    "it is a function of event and context: make it an async generator, which is streamed, or an ASGI app, "
    "or leave AWS_LAMBDA_EXEC_WRAPPER out and let Lambda's own runtime call it"
)
CLASS = "it is a class: make an instance in the module and name that"
OTHER = "it cannot be called with scope, receive and send"


def as_app(handler: Callable[..., Any], name: str) -> ASGIApp:
    """Return the ASGI app for a handler. Raises SetupError, which says what to write instead."""
    names = parameters(handler)
    if names is None:
        return handler
    if takes(handler, 2) and is_generator(handler):
        return generator_app(handler)
    if advice := advice_for(handler, names):
        attribute = name.replace(":", ".").rpartition(".")[2]
        message = f"the handler {name!r} is not an ASGI app: {advice.format(name=attribute)}"
        raise SetupError("Runtime.UnsupportedHandler", message)
    return handler


def advice_for(handler: Callable[..., Any], names: list[str]) -> str:
    """Return advice on a handler, which is empty for an ASGI app."""
    if names[:2] == ["environ", "start_response"]:
        return WSGI
    if names[:2] == ["event", "context"]:
        return HANDLER
    if inspect.isclass(handler):
        return "" if hasattr(handler, "__await__") else CLASS
    if takes(handler, 3):
        return ""
    if takes(handler, 0):
        return FACTORY
    return HANDLER if takes(handler, 2) else OTHER


def parameters(handler: Callable[..., Any]) -> list[str] | None:
    """Return the names of the parameters; None if they are unknown, as for some callables in C."""
    try:
        return list(inspect.signature(handler).parameters)
    except (ValueError, TypeError):
        return None


def takes(handler: Callable[..., Any], count: int) -> bool:
    """Return whether the handler can be called with this number of positional arguments."""
    try:
        inspect.signature(handler).bind(*range(count))
    except TypeError:
        return False
    return True


def is_generator(handler: Callable[..., Any]) -> bool:
    """Return whether calling the handler creates an async generator."""
    call = handler if inspect.isroutine(handler) else type(handler).__call__
    return inspect.isasyncgenfunction(call)
