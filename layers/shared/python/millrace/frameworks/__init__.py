"""Agents of other frameworks as agents of a deployment. Each is imported only by who uses it."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def extra(name: str, framework: str) -> Iterator[None]:
    """Import a framework inside: where it is not installed, the error names the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{framework} is not installed ({error.name} is missing): pip install 'millrace[{name}]', or add "
            f"it to app/requirements.txt.",
            name=error.name,
        ) from error
