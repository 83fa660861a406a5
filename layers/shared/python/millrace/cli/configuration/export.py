"""The configuration of a deployment as a file that `millrace apply` leaves unchanged."""

from typing import Any

from millrace.cli.configuration.files import SECRETS
from millrace.cli.configuration.kinds import KINDS, Kind
from millrace.cli.configuration.references import literal
from millrace.cli.configuration.server_secrets import referring
from millrace.cli.output import to_json
from millrace.client import Client

Json = dict[str, Any]


def exported(client: Client, label: str | None = None) -> Json:
    """Return the configuration of an organization, or of everything with a label.

    Stopped pipelines are left out, because they cannot be started again.
    """
    found: Json = {"label": label} if label else {}
    if not label and (secrets := _secrets(client)):
        found[SECRETS] = secrets
    for kind in KINDS:
        if entries := _entries(client, kind, label):
            found[kind.section] = entries
    return found


def _secrets(client: Client) -> Json:
    known = map(to_json, client.streaming.list_secrets(limit=100))
    return {one["name"]: {"hosts": one["hosts"], "value": f"${{env.{one['name']}}}"} for one in known}


def _entries(client: Client, kind: Kind, label: str | None) -> Json:
    entries: Json = {}
    for key, one in kind.all(client).items():
        own, _, name = str(one.get("managedBy") or "").partition("/")
        if one.get("state") == "stopped" or (label and own != label):
            continue
        entries[(label and name) or key] = _entry(kind, key, one, bool(label))
    return entries


def _entry(kind: Kind, key: str, one: Json, labelled: bool) -> Json:
    entry = literal(kind.compact(one))
    if labelled:
        entry.pop("managedBy", None)
    return referring(key, entry) if kind.section == "agents" else entry
