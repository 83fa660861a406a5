"""Configuration files: what they say there should be.

label: shop                     # whose these are; needed by --prune
secrets:
  STRIPE_KEY: {hosts: [api.stripe.com], value: "${env.STRIPE_KEY}"}
agents:
  clerk: {name: Clerk, model: "...", instructions: "..."}
pipelines:
  orders: {name: Orders, source: {...}, destination: {...}, state: running}
flows:
  report: {steps: [...]}
alerts:
  errors: {name: Errors, metric: error_rate, threshold: 0.05}
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from millrace.cli.configuration.errors import ConfigurationError, Path, Place, Problem
from millrace.cli.configuration.references import MissingReference, References, has_reference, replaced
from millrace.cli.configuration.texts import TextError, read_text
from millrace.domain.replacement import LABEL

SECRETS = "secrets"
SECTIONS = (SECRETS, "agents", "pipelines", "flows", "alerts")
"""In the order in which they are written: later ones refer to earlier ones."""
ENDINGS = (".yaml", ".yml", ".json")
FRAGMENT = "template.yaml"
"""May be among the files in `app/`, but belongs to the deployment (docs/own-code.md)."""
SERVERS = ("mcpServers", "a2aAgents")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resource in a file. Texts of secrets still have their references; all others are resolved."""

    section: str
    key: str
    body: Json
    place: Place
    label: str

    @property
    def path(self) -> Path:
        """The path of the resource in its file."""
        return (self.section, self.key)

    def problem(self, message: str, path: Path = ()) -> Problem:
        """Return a mistake in the resource."""
        return Problem(self.place, (*self.path, *path), message)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The resources of all files, and the files' labels (empty for a file without one)."""

    wanted: list[Wanted]
    labels: dict[str, str]

    def of(self, section: str) -> list[Wanted]:
        """Return the resources of one kind."""
        return [one for one in self.wanted if one.section == section]


def read_files(names: Sequence[str], references: References) -> Configuration:
    """Read files, and the files in folders. Raises `ConfigurationError` with every mistake."""
    problems: list[Problem] = []
    wanted: list[Wanted] = []
    labels: dict[str, str] = {}
    for file, text in _texts(names):
        try:
            value, lines = read_text(text)
        except TextError as error:
            problems.append(error.problem(file))
            continue
        if _is_template(value):
            continue
        reader = _FileReader(Place(file, lines), references)
        labels[file] = reader.label(value)
        wanted += reader.resources(value, labels[file])
        problems += reader.problems
    problems += _doubled(wanted)
    if problems:
        raise ConfigurationError(problems)
    return Configuration(wanted, labels)


def _is_template(value: Any) -> bool:
    """Return whether a value is a CloudFormation template, or a part of one, which may be among the files.

    Its sections are capitalized, unlike ours.
    """
    return isinstance(value, dict) and bool(value) and all(name[:1].isupper() for name in value)


def _texts(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in _names(names):
        try:
            yield name, sys.stdin.read() if name == "-" else File(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigurationError([Problem(Place(name, {}), (), f"cannot be read: {reason}")]) from error


def _names(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name != "-" and File(name).is_dir():
            files = (
                file for file in File(name).iterdir() if file.suffix in ENDINGS and file.name != FRAGMENT
            )
            yield from sorted(map(str, files))
        else:
            yield name


def _doubled(wanted: Sequence[Wanted]) -> Iterator[Problem]:
    first: dict[Path, Wanted] = {}
    for one in wanted:
        if (other := first.setdefault(one.path, one)) is not one:
            yield one.problem(f"is in {other.place.at(other.path)} already")


class _FileReader:
    """Reads one file and collects its mistakes."""

    def __init__(self, place: Place, references: References) -> None:
        self._place = place
        self._references = references
        self.problems: list[Problem] = []

    def label(self, value: Any) -> str:
        label = value.get("label") if isinstance(value, dict) else None
        if label is None:
            return ""
        if not isinstance(label, str) or not re.fullmatch(LABEL, label):
            self._add(("label",), "must be a word of at most 63 of the characters A-Z a-z 0-9 . _ -")
            return ""
        return label

    def resources(self, value: Any, label: str) -> list[Wanted]:
        if value is None:
            return []
        if not isinstance(value, dict):
            self._add((), f"must be a mapping with {', '.join(SECTIONS)}")
            return []
        for name in value.keys() - {"label", *SECTIONS}:
            self._add((name,), f"is not known here; there are label, {', '.join(SECTIONS)}")
        return [
            one for section in SECTIONS if section in value for one in self._section(value, section, label)
        ]

    def _section(self, value: Json, section: str, label: str) -> Iterator[Wanted]:
        entries = value[section]
        if not isinstance(entries, dict | None):
            self._add((section,), "must be a mapping of ids to definitions")
            return
        for key, body in (entries or {}).items():
            if not isinstance(body, dict):
                self._add((section, key), "must be a mapping")
            elif section == SECRETS:
                yield Wanted(section, key, self._secret(key, body), self._place, label)
            else:
                yield Wanted(section, key, self._labelled(section, key, body, label), self._place, label)

    def _secret(self, key: str, body: Json) -> Json:
        path = (SECRETS, key)
        for name in body.keys() - {"hosts", "value"}:
            self._add((*path, name), "is not known here; there are hosts and value")
        value = body.get("value", f"${{env.{key}}}")
        if not isinstance(value, str) or not has_reference(value):
            self._add(
                (*path, "value"), "must not stand in a file; refer to it: ${env.NAME} or ${prompt.NAME}"
            )
        hosts = body.get("hosts")
        if not isinstance(hosts, list) or not hosts or not all(isinstance(one, str) for one in hosts):
            self._add((*path, "hosts"), "must be a list of the hosts that the secret may be sent to")
            return {"hosts": [], "value": value}
        return {"hosts": hosts, "value": value}

    def _labelled(self, section: str, key: str, body: Json, label: str) -> Json:
        resolved: Json = replaced(body, lambda path, text: self._text((section, key, *path), text))
        own = resolved.get("managedBy")
        if label and own not in (None, label, f"{label}/{key}"):
            self._add((section, key, "managedBy"), f"must be {label!r}, the label of the file, or left out")
        return resolved | {"managedBy": label} if label and not own else resolved

    def _text(self, path: Path, text: str) -> str:
        """Return a text with its references resolved. Those of secrets are resolved when they are needed."""
        if is_secret(path, text):
            return self._secret_text(path, text)
        try:
            return self._references.resolved(text)
        except MissingReference as error:
            self._add(path, str(error))
            return text

    def _secret_text(self, path: Path, text: str) -> str:
        if not has_reference(text):
            what = "the query of a server's address" if path[-1] == "url" else "the value of a header"
            self._add(path, f"{what} is kept as a secret; refer to it: ${{env.NAME}} or ${{prompt.NAME}}")
        return text

    def _add(self, path: Path, message: str) -> None:
        self.problems.append(Problem(self._place, path, message))


def is_secret(path: Path, text: str) -> bool:
    """Return whether the server stores a text as a secret.

    It never shows these, so they cannot be compared.
    """
    if path[0] != "agents" or len(path) < 5 or path[2] not in SERVERS:
        return False
    return path[4] == "headers" or (path[4] == "url" and "?" in text)
