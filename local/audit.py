"""`python -m local.audit`: what the package registries know about the packages that we ship.

  python -m local.audit            exit code 1 for a package that must be replaced, 0 otherwise

It asks the registries that pip and npm are configured for: whether a release was withdrawn ("yanked") or is
deprecated, whether its files are still those of the lock files, and which vulnerabilities are known. If a
registry does not answer a question, this is not a failure, but it is listed, because no finding means nothing
then.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import quote

import httpx

from local.bill_of_materials import LOCKS, ROOT, Component, components

SIMPLE = "application/vnd.pypi.simple.v1+json"
AT_ONCE = 8
NPM_LOCK = ROOT / "web/package-lock.json"


@dataclass
class Report:
    """The findings: `bad` must be replaced, `notes` may stay for now, `unasked` is unknown."""

    bad: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unasked: dict[str, int] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def count(self, question: str, answers: object) -> bool:
        """Record whether a question was answered, and return that."""
        into = self.unasked if answers is None else self.answered
        with self._lock:
            into[question] = into.get(question, 0) + 1
        return answers is not None

    def lines(self) -> list[str]:
        """Return the report for people."""
        found = [f"must be replaced: {one}" for one in self.bad]
        found += [f"note: {one}" for one in self.notes]
        found += [f"asked: {question} ({count} asked)" for question, count in sorted(self.answered.items())]
        for question, count in sorted(self.unasked.items()):
            found.append(f"NOT KNOWN: {question} ({count} asked): the registry does not answer that.")
        return found


YANKED, FILES = "PyPI: withdrawn releases", "PyPI: files of the lock files"
DEPRECATED, INTEGRITY = "npm: deprecated packages", "npm: files of the lock file"
PYPI_VULNERABLE, NPM_VULNERABLE = "PyPI: known vulnerabilities", "npm: known vulnerabilities"


@dataclass
class Registries:
    """The two registries, by their configured addresses."""

    http: httpx.Client
    index: str
    npm: str

    def release(self, name: str) -> Any:
        """Return a package's files on PyPI, or None if the index does not provide them as JSON."""
        return self._json(f"{self.index.rstrip('/')}/{name}/", SIMPLE)

    def about_release(self, name: str, version: str) -> Any:
        """Return the page of a release on PyPI, which lists vulnerabilities."""
        return self._json(f"{self.index.rstrip('/').removesuffix('/simple')}/pypi/{name}/{version}/json")

    def package(self, name: str, version: str) -> Any:
        """Return a release on npm."""
        return self._json(f"{self.npm.rstrip('/')}/{quote(name, safe='@')}/{version}")

    def _json(self, url: str, accept: str = "application/json") -> Any:
        try:
            answer = self.http.get(url, headers={"accept": accept})
            return answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            return None


def look_at_python(registries: Registries, one: Component, hashes: set[str], report: Report) -> None:
    """Check a package of the layers and functions."""
    page = registries.release(one.name)
    if report.count(YANKED, page):
        files = [file for file in page["files"] if file["hashes"].get("sha256") in hashes]
        withdrawn = [file["yanked"] for file in files if file.get("yanked")]
        if withdrawn:
            why = f": {withdrawn[0]}" if isinstance(withdrawn[0], str) else ""
            report.bad.append(f"{one.name} {one.version} was withdrawn{why}")
        known = {file["hashes"].get("sha256") for file in page["files"]}
        report.count(FILES, known)
        if missing := hashes - known:
            report.bad.append(
                f"{one.name} {one.version}: {len(missing)} files of the lock file are not there"
            )
    details = registries.about_release(one.name, one.version)
    if report.count(PYPI_VULNERABLE, details and details.get("vulnerabilities")):
        for found in details["vulnerabilities"]:
            fixed = ", ".join(found.get("fixed_in", [])) or "nothing"
            report.bad.append(f"{one.name} {one.version}: {found.get('id')}, fixed in {fixed}")


def look_at_npm(registries: Registries, one: Component, integrity: str, report: Report) -> None:
    """Check a package of the page."""
    release = registries.package(one.name, one.version)
    if not report.count(DEPRECATED, release):
        return
    if why := release.get("deprecated"):
        report.notes.append(f"{one.name} {one.version} is deprecated: {why}")
    theirs = release.get("dist", {}).get("integrity")
    if report.count(INTEGRITY, theirs) and theirs != integrity:
        report.bad.append(f"{one.name} {one.version}: its file is not that of the lock file")


def look_at_advisories(report: Report) -> None:
    """Check the page's vulnerabilities with npm."""
    found = _npm("audit", "--json", "--omit=dev")
    vulnerable = found.get("vulnerabilities") if isinstance(found, dict) else None
    if report.count(NPM_VULNERABLE, vulnerable) and vulnerable:
        report.bad += [f"{name}: {one.get('severity')}" for name, one in vulnerable.items()]


def _npm(*arguments: str) -> Any:
    command = [sys.executable, "-m", "local.node", "npm", "--prefix", "web", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=180, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return done.stdout.strip()


def locked_hashes() -> dict[str, set[str]]:
    """Return the SHA-256 of all files that the lock files allow, by package."""
    found: dict[str, set[str]] = {}
    for lock in LOCKS:
        name = ""
        for line in (ROOT / lock).read_text().splitlines():
            if "==" in line and not line.startswith((" ", "#")):
                name = line.partition("==")[0].partition("[")[0].lower()
            elif "--hash=sha256:" in line:
                found.setdefault(name, set()).add(line.partition("sha256:")[2].split()[0])
    return found


def locked_integrity() -> dict[tuple[str, str], str]:
    """Return the hashes in npm's lock file, by package and version."""
    packages = json.loads(NPM_LOCK.read_text())["packages"]
    return {
        (path.rpartition("node_modules/")[2], one["version"]): one.get("integrity", "")
        for path, one in packages.items()
        if path.startswith("node_modules/") and "version" in one
    }


def pip_index() -> str:
    """Return the index that pip is configured for."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    given = (
        os.environ.get("PIP_INDEX_URL")
        or subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    )
    return given or _pip_default()


def _pip_default() -> str:
    """Return pip's default index, which only pip knows."""
    from pip._internal.models.index import PyPI

    return str(PyPI.simple_url)


def audit(registries: Registries, found: Iterable[Component], report: Report) -> None:
    """Check every package."""
    hashes, integrity = locked_hashes(), locked_integrity()

    def ask(one: Component) -> None:
        if one.registry == "pypi":
            look_at_python(registries, one, hashes.get(one.name, set()), report)
        else:
            look_at_npm(registries, one, integrity.get((one.name, one.version), ""), report)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, found))


def main() -> int:
    report = Report()
    with httpx.Client(timeout=30, follow_redirects=True) as http:
        npm = _npm("config", "get", "registry")
        registries = Registries(http, pip_index(), npm if isinstance(npm, str) else "")
        audit(registries, components(), report)
    look_at_advisories(report)
    print(*report.lines(), sep="\n")
    return 1 if report.bad else 0


if __name__ == "__main__":
    sys.exit(main())
