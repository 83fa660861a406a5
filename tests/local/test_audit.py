"""The audit of packages against registries that answer completely, in part, or not at all."""

import json
from typing import Any

import httpx
import pytest

from local import audit
from local.audit import Registries, Report
from local.bill_of_materials import Component, components

GOOD, OTHER = "a" * 64, "b" * 64
PYTHON = Component("thing", "1.0", "MIT", "pypi", ("layers",))
PAGE = Component("@scope/thing", "1.0.0", "MIT", "npm", ("web",))


def registries(answers: dict[str, Any]) -> Registries:
    """Registries that know these paths and nothing else; an exception is one of the network."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(request.url.raw_path.decode())
        if isinstance(found, Exception):
            raise found
        if isinstance(found, bytes):
            return httpx.Response(200, content=found)
        return httpx.Response(404 if found is None else 200, json=found)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    return Registries(http, "https://index.example/simple", "https://npm.example/")


def file(sha256: str, yanked: bool | str = False) -> dict[str, Any]:
    return {"filename": "thing-1.0.whl", "hashes": {"sha256": sha256}, "yanked": yanked}


def looked_at(answers: dict[str, Any], hashes: set[str]) -> Report:
    report = Report()
    audit.look_at_python(registries(answers), PYTHON, hashes, report)
    return report


def test_release_that_is_as_it_was_is_fine() -> None:
    details: dict[str, Any] = {"vulnerabilities": []}
    report = looked_at({"/simple/thing/": {"files": [file(GOOD)]}, "/pypi/thing/1.0/json": details}, {GOOD})
    assert (report.bad, report.notes, report.unasked) == ([], [], {})


@pytest.mark.parametrize(("yanked", "says"), [(True, "was withdrawn"), ("Broken.", "was withdrawn: Broken.")])
def test_withdrawn_release_must_be_replaced(yanked: bool | str, says: str) -> None:
    report = looked_at({"/simple/thing/": {"files": [file(GOOD, yanked), file(OTHER)]}}, {GOOD})
    assert [one.endswith(says) for one in report.bad] == [True]
    # One that is not in the lock file is nobody's.
    assert looked_at({"/simple/thing/": {"files": [file(GOOD), file(OTHER, True)]}}, {GOOD}).bad == []


def test_file_that_the_index_does_not_have_must_be_replaced() -> None:
    report = looked_at({"/simple/thing/": {"files": [file(OTHER)]}}, {GOOD})
    assert report.bad == ["thing 1.0: 1 files of the lock file are not there"]


def test_known_vulnerability_must_be_replaced() -> None:
    details = {"vulnerabilities": [{"id": "PYSEC-1", "fixed_in": ["1.1"]}]}
    report = looked_at({"/simple/thing/": {"files": [file(GOOD)]}, "/pypi/thing/1.0/json": details}, {GOOD})
    assert report.bad == ["thing 1.0: PYSEC-1, fixed in 1.1"]


@pytest.mark.parametrize("answer", [None, b"<html>", httpx.ConnectError("down"), httpx.ReadTimeout("slow")])
def test_registry_that_does_not_answer_makes_nothing_red_and_is_named(answer: Any) -> None:
    report = looked_at({"/simple/thing/": answer, "/pypi/thing/1.0/json": answer}, {GOOD})
    assert report.bad == []
    assert set(report.unasked) == {audit.YANKED, audit.PYPI_VULNERABLE}
    assert "NOT KNOWN: PyPI: known vulnerabilities (1 asked): the registry does not answer that." in (
        report.lines()
    )


def test_package_of_the_page_is_looked_up_by_its_scope() -> None:
    release = {"deprecated": "Use another.", "dist": {"integrity": "sha512-good"}}
    asked = registries({"/@scope%2Fthing/1.0.0": release})
    report = Report()
    audit.look_at_npm(asked, PAGE, "sha512-good", report)
    assert (report.bad, report.notes) == ([], ["@scope/thing 1.0.0 is deprecated: Use another."])
    audit.look_at_npm(asked, PAGE, "sha512-other", report)
    assert report.bad == ["@scope/thing 1.0.0: its file is not that of the lock file"]


@pytest.mark.parametrize(
    ("answer", "bad", "known"),
    [
        (json.dumps({"vulnerabilities": {}}), [], True),
        (json.dumps({"vulnerabilities": {"thing": {"severity": "high"}}}), ["thing: high"], True),
        (json.dumps({"message": "405 Method Not Allowed"}), [], False),
        ("", [], False),
    ],
)
def test_advisories_are_those_of_npm(
    answer: str, bad: list[str], known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_npm", lambda *_: json.loads(answer) if answer else answer)
    report = Report()
    audit.look_at_advisories(report)
    assert (report.bad, audit.NPM_VULNERABLE in report.answered) == (bad, known)


def test_every_shipped_package_has_what_it_is_compared_with() -> None:
    hashes, integrity = audit.locked_hashes(), audit.locked_integrity()
    for one in components():
        known = hashes.get(one.name) if one.registry == "pypi" else integrity.get((one.name, one.version))
        assert known, one
