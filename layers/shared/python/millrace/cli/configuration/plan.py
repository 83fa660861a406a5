"""The plan: the changes that make a deployment match files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from millrace.cli.configuration.errors import ConfigurationError, Path, Place, Problem
from millrace.cli.configuration.files import SECRETS, Configuration, Wanted, is_secret
from millrace.cli.configuration.kinds import KINDS, PIPELINES, Kind, Pipelines, settings_of
from millrace.cli.configuration.references import MissingReference, References, texts
from millrace.cli.configuration.server_secrets import ServerSecrets
from millrace.cli.output import to_json
from millrace.client import APIError, Client, ConflictError, InvalidRequestError, NotFoundError
from millrace.domain.differences import Difference, differences
from millrace.pipelines.definitions.sources import TYPES

Json = dict[str, Any]
Action = Literal["create", "update", "delete", "unchanged"]
_MOVES = {
    ("created", "running"): ("start",),
    ("created", "paused"): ("start", "pause"),
    ("running", "paused"): ("pause",),
    ("paused", "running"): ("resume",),
}
GIVEN = "pipeline_"
"""The prefix of ids that the server assigns."""


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one resource.

    `body` is sent, `desired` is the result, and `current` the present state. `id` differs from the key for
    pipelines that the server names.
    """

    action: Action
    section: str
    key: str
    file: str = ""
    id: str = ""
    body: Json = field(default_factory=dict, repr=False)
    desired: Json | None = None
    current: Json | None = None
    fields: tuple[Difference, ...] = ()
    moves: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def updated_at(self) -> str:
        """The time of the state on which the change is based, or "" for a new resource."""
        return str((self.current or {}).get("updatedAt", ""))

    def to_json(self) -> Json:
        """Return the change for scripts, without values of secrets."""
        found: Json = {"section": self.section, "key": self.key, "action": self.action}
        found |= {"fields": [one["path"] for one in self.fields], "moves": list(self.moves)}
        return found | ({"file": self.file} if self.file else {})


@dataclass(frozen=True, slots=True)
class Planner:
    """Creates plans.

    With `secrets_again`, existing secrets are written as well; with `take_over`, also resources with another
    file's label.
    """

    client: Client
    references: References
    secrets_again: bool = False
    take_over: bool = False
    problems: list[Problem] = field(default_factory=list)

    def plan(self, configuration: Configuration, prune: bool) -> list[Change]:
        """Return the changes in the order in which to make them.

        Raises `ConfigurationError` for changes that the server would reject, and `APIError` if it cannot be
        asked.
        """
        if prune:
            self._check_labels(configuration)
        secrets = self._secrets(configuration.of(SECRETS))
        changes, gone = list(secrets), []
        new = {one.key for one in secrets if one.action == "create"}
        for kind in KINDS:
            wanted = configuration.of(kind.section)
            if not wanted and not prune:
                continue
            current = kind.all(self.client)
            made = [self._change(kind, one, current, new) for one in wanted]
            changes += [one for one in made if one]
            if prune:
                ids = {one.id for one in made if one}
                gone += list(_pruned(kind, current, ids, set(configuration.labels.values())))
        if self.problems:
            raise ConfigurationError(self.problems)
        return [*changes, *reversed(gone)]

    def _check_labels(self, configuration: Configuration) -> None:
        for file, label in configuration.labels.items():
            if not label:
                message = "--prune deletes what has the label of the file and is not in it; give it a label"
                self.problems.append(Problem(Place(file, {}), ("label",), message))

    def _secrets(self, wanted: Sequence[Wanted]) -> list[Change]:
        known = {}
        if wanted:
            known = {one["name"]: one for one in map(to_json, self.client.streaming.list_secrets(limit=100))}
        return [self._secret(one, known.get(one.key)) for one in wanted]

    def _secret(self, wanted: Wanted, current: Json | None) -> Change:
        hosts = {"hosts": wanted.body["hosts"]}
        fields = tuple(differences({"hosts": current["hosts"]}, hosts)) if current else ()
        action: Action = "create" if current is None else "update"
        if current and not fields and not self.secrets_again:
            action = "unchanged"
        file = wanted.place.at(wanted.path)
        change = Change(action, SECRETS, wanted.key, file, wanted.key, current=current, fields=fields)
        if action == "unchanged":
            return change
        try:
            return replace(change, body=hosts | {"value": self.references.resolved(wanted.body["value"])})
        except MissingReference as error:
            self.problems.append(wanted.problem(str(error), ("value",)))
            return change

    def _change(
        self, kind: Kind, wanted: Wanted, all_current: dict[str, Json], new_secrets: set[str]
    ) -> Change | None:
        try:
            id, current = self._found(kind, wanted, all_current)
            body = self._body(kind, wanted, id, current)
            state = self._state(wanted, body)
            desired = self._tried(kind, id, body, new_secrets)
        except _WrongError as error:
            self.problems.append(wanted.problem(error.message, error.path))
            return None
        except (InvalidRequestError, ConflictError, NotFoundError) as error:
            self.problems.extend(_problems_of(wanted, error))
            return None
        before = settings_of(kind, current) if current else {}
        fields = tuple(differences(before, settings_of(kind, desired)))
        moves = _MOVES.get(((current or {}).get("state", "created"), state), ()) if state else ()
        again = self.secrets_again and _has_secrets(wanted)
        action: Action = "update" if current else "create"
        if current and not fields and not moves and not again:
            action = "unchanged"
        return Change(
            action,
            kind.section,
            wanted.key,
            wanted.place.at(wanted.path),
            id or wanted.key,
            body,
            desired,
            current,
            fields if current else (),
            moves,
            tuple(f"{one['path']}: {one['message']}" for one in desired.get("warnings", ())),
        )

    def _found(self, kind: Kind, wanted: Wanted, current: dict[str, Json]) -> tuple[str, Json | None]:
        """Return the id and the existing resource, or an empty id if the server assigns one."""
        if wanted.key in current:
            return wanted.key, self._owned(wanted, current[wanted.key])
        if not isinstance(kind, Pipelines) or not _is_named_by_server(wanted):
            return wanted.key, None
        if not wanted.label:
            raise _WrongError(
                "the server assigns the id of this pipeline; the file needs a label to find it by"
            )
        same = [one for one in current.values() if one.get("managedBy") == f"{wanted.label}/{wanted.key}"]
        if len(same) > 1:
            ids = " and ".join(one["id"] for one in same)
            raise _WrongError(f"it exists more than once ({ids}); delete one")
        return (same[0]["id"], same[0]) if same else ("", None)

    def _owned(self, wanted: Wanted, current: Json) -> Json:
        theirs = str(current.get("managedBy") or "").partition("/")[0]
        ours = str(wanted.body.get("managedBy") or "").partition("/")[0]
        if theirs not in ("", ours) and not self.take_over:
            raise _WrongError(f"it has the label {theirs!r} of another file; --take-over makes it this one's")
        return current

    def _body(self, kind: Kind, wanted: Wanted, id: str, current: Json | None) -> Json:
        body = dict(wanted.body)
        if isinstance(kind, Pipelines) and wanted.label and _is_named_by_server(wanted):
            body["managedBy"] = f"{wanted.label}/{wanted.key}"
        if kind.section != "agents":
            return body
        try:
            return ServerSecrets(self.references, current, self.secrets_again).filled(body)
        except MissingReference as error:
            raise _WrongError(str(error)) from error

    def _state(self, wanted: Wanted, body: Json) -> str | None:
        """Remove the desired state from a pipeline's body and return it."""
        if wanted.section != PIPELINES.section or "state" not in body:
            return None
        state = body.pop("state")
        if state not in ("running", "paused"):
            raise _WrongError(
                "must be running or paused; without it, the pipeline stays as it is", ("state",)
            )
        return str(state)

    def _tried(self, kind: Kind, id: str, body: Json, new_secrets: set[str]) -> Json:
        """Return the answer that the write would have."""
        try:
            if not id:
                return PIPELINES.create(self.client, body, dry_run=True)
            return kind.put(self.client, id, body, dry_run=True)
        except InvalidRequestError as error:
            # Only secrets that are about to be written are missing.
            if error.code == "unknown_secret" and new_secrets.issuperset(error.details.get("secrets", ())):
                return body
            raise


class _WrongError(Exception):
    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def _has_secrets(wanted: Wanted) -> bool:
    return any(is_secret((*wanted.path, *path), text) for path, text in texts(wanted.body))


def _is_named_by_server(wanted: Wanted) -> bool:
    source = wanted.body.get("source")
    kind = source.get("type") if isinstance(source, dict) else None
    # Sources of other packages also have an address.
    return wanted.key.startswith(GIVEN) or kind == "webhook" or (isinstance(kind, str) and kind not in TYPES)


def _pruned(kind: Kind, current: dict[str, Json], ids: set[str], labels: set[str]) -> Iterator[Change]:
    for key, one in current.items():
        label = str(one.get("managedBy") or "").partition("/")[0]
        if label and label in labels and key not in ids:
            moves = ("stop",) if one.get("state") in ("running", "paused") else ()
            yield Change(
                "delete",
                kind.section,
                key,
                id=key,
                current=one,
                moves=moves if isinstance(kind, Pipelines) else (),
            )


def _problems_of(wanted: Wanted, error: APIError) -> list[Problem]:
    """Return the mistakes that the server found, with their lines."""
    found = error.details.get("fields") or error.details.get("problems")
    if not isinstance(found, list):
        path = error.details.get("path")
        return [wanted.problem(error.message, _path(path) if isinstance(path, str) else ())]
    return [wanted.problem(str(one["message"]), _path(str(one["path"]))) for one in found]


def _path(dotted: str) -> Path:
    return tuple(int(part) if part.isdigit() else part for part in dotted.split(".") if part)
