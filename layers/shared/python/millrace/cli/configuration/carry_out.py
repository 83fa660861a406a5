"""Execution of a plan, one change after the other, each only if nobody else was faster."""

from collections.abc import Callable, Sequence

from millrace.cli.configuration.errors import Interrupted
from millrace.cli.configuration.files import SECRETS
from millrace.cli.configuration.kinds import KINDS, PIPELINES, Kind, Pipelines, settings_of
from millrace.cli.configuration.plan import Change
from millrace.client import APIError, Client, ConflictError, NotFoundError

_BY_SECTION = {kind.section: kind for kind in KINDS}


def carry_out(client: Client, changes: Sequence[Change], done: Callable[[Change], None]) -> None:
    """Make the changes, calling `done` after each. Raises `Interrupted` at the first failure."""
    for change in changes:
        if change.action == "unchanged":
            continue
        try:
            _make(client, change)
        except APIError as error:
            where = f"{change.file}: " if change.file else ""
            raise Interrupted(
                f"{where}{change.section}.{change.key}: {error.message} The changes before it were made; "
                "apply again to continue."
            ) from error
        done(change)


def _make(client: Client, change: Change) -> None:
    if change.section == SECRETS:
        client.streaming.put_secret(change.key, change.body["value"], change.body["hosts"])
        return
    kind = _BY_SECTION[change.section]
    if change.action == "delete":
        _delete(client, kind, change)
        return
    id = _write(client, kind, change)
    for action in change.moves:
        PIPELINES.move(client, id, action)


def _write(client: Client, kind: Kind, change: Change) -> str:
    """Write a resource and return its id."""
    if change.action == "update" and not change.fields and change.body == change.current:
        return change.id
    if isinstance(kind, Pipelines) and change.current is None and _is_unnamed(change):
        return str(PIPELINES.create(client, change.body)["id"])
    try:
        kind.put(client, change.id, change.body, unchanged_since=change.updated_at)
    except ConflictError as error:
        if error.code != "changed" or not _is_written(client, kind, change):
            raise
    return change.id


def _is_unnamed(change: Change) -> bool:
    """Return whether the server assigns the pipeline's id."""
    return str(change.body.get("managedBy") or "").endswith(f"/{change.key}")


def _is_written(client: Client, kind: Kind, change: Change) -> bool:
    """Return whether the change was made: its answer was lost, and the retry met its own write."""
    current = kind.all(client).get(change.id)
    assert change.desired is not None
    return current is not None and settings_of(kind, current) == settings_of(kind, change.desired)


def _delete(client: Client, kind: Kind, change: Change) -> None:
    try:
        for action in change.moves:
            PIPELINES.move(client, change.id, action)
        kind.delete(client, change.id, change.updated_at)
    except NotFoundError:
        pass  # somebody else was faster
