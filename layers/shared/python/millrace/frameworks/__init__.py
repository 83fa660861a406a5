"""Agents of other frameworks as agents of a deployment. Each adapter is imported only by those who use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec


@contextmanager
def extra(name: str, framework: str) -> Iterator[None]:
    """Import a framework inside this block. If it is not installed, or is another version than the adapter
    supports, the error names the extra that installs it."""
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
            f"This version of {framework} is not one that Millrace supports ({error}); name the one that "
            f"'millrace[{name}]' installs in app/requirements.txt.",
            name=missing,
        ) from error
