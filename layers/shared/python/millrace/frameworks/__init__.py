"""Agents of other frameworks as agents of a deployment. Each is imported only by who uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


@contextmanager
def extra(name: str, framework: str) -> Iterator[None]:
    """Import a framework inside: where it is not installed, the error names the extra that brings it, and
    where it is another version than the adapter knows, that."""
    try:
        yield
    except ImportError as error:
        missing = error.name or ""
        package = missing.partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and (package == missing or not find_spec(package)):
            raise ModuleNotFoundError(
                f"{framework} is not installed ({missing} is missing): pip install 'millrace[{name}]', or "
                "add it to app/requirements.txt.",
                name=missing,
            ) from error
        raise ImportError(
            f"This version of {framework} is not one that Millrace knows ({error}); name the one that "
            f"'millrace[{name}]' installs in app/requirements.txt.",
            name=missing,
        ) from error
