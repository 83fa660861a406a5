"""Work that the tests need not repeat: it gave half of their time to Python's garbage collector.

Most tests make an app of their own with AWS clients of their own. botocore reads and parses the service
models anew for each session, and FastAPI's caches keep every app and thereby all that it holds.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import botocore.session


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


def forget_apps() -> None:
    """Have FastAPI forget the callables of apps that are over."""
    for value in vars(sys.modules.get("fastapi.dependencies.models", object)).values():
        if clear := getattr(value, "cache_clear", None):
            clear()


def spare_imports() -> None:
    """Have the garbage collector pass over what is there for good."""
    gc.collect()
    gc.freeze()
