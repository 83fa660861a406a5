"""Work that the tests need not repeat: it gave half of their time to Python's garbage collector.

Most tests make an app of their own with AWS clients of their own. botocore reads and parses the service
models anew for each session, and FastAPI's caches keep every app and thereby all that it holds.
"""

import gc
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import botocore.session
import httpx._transports.default


@contextmanager
def shared_service_models() -> Iterator[None]:
    """All sessions of this process share what botocore's loaders have read."""
    create, read = botocore.session.create_loader, dict[Any, Any]()

    def sharing(path: str | None = None) -> Any:
        loader: Any = create(path)
        loader._cache = read
        return loader

    with patch.object(botocore.session, "create_loader", sharing):
        yield


@contextmanager
def shared_trust() -> Iterator[None]:
    """All HTTP clients of this process that trust the usual authorities share what they have read of them."""
    default: Any = httpx._transports.default
    create, found = default.create_ssl_context, dict[bool, ssl.SSLContext]()

    def sharing(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert:
            fresh: ssl.SSLContext = create(verify, cert, trust_env)
            return fresh
        if trust_env not in found:
            found[trust_env] = create(True, None, trust_env)
        return found[trust_env]

    with patch.object(default, "create_ssl_context", sharing):
        yield


def forget_apps() -> None:
    """Have FastAPI forget the callables of apps that are over."""
    for value in vars(sys.modules.get("fastapi.dependencies.models", object)).values():
        if clear := getattr(value, "cache_clear", None):
            clear()


def hold_collector() -> None:
    """Have the garbage collector rest while modules are imported: they stay for good."""
    gc.disable()


def spare_imports() -> None:
    """Have the garbage collector pass over what is there for good."""
    gc.collect()
    gc.freeze()
    gc.enable()
