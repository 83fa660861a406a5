"""The packages that are shipped, and their licenses."""

import json
from pathlib import Path

import pytest

from local import bill_of_materials as bill


def test_licenses_of_all_shipped_packages_are_known_and_allowed() -> None:
    assert bill.problems(bill.components()) == []


def test_gpl_is_in_the_voice_function_only_and_named() -> None:
    found = {one.name: one for one in bill.components()}
    assert found["espeakng-loader"].ships == ("functions/voice/requirements.txt",)
    assert "GPL-3.0" in bill.COPYLEFT["espeakng-loader"]
    for one in (one for one in found.values() if one.name not in bill.COPYLEFT):
        assert "GPL" not in one.license.replace("LGPL", ""), one


def test_bill_names_every_locked_package(tmp_path: Path) -> None:
    assert bill.main([str(tmp_path / "sbom.json")]) == 0
    sbom = json.loads((tmp_path / "sbom.json").read_text())
    assert (sbom["bomFormat"], sbom["specVersion"]) == ("CycloneDX", "1.6")
    urls = {one["purl"].rpartition("@")[0] for one in sbom["components"]}
    assert {"pkg:pypi/boto3", "pkg:pypi/a2a-sdk", "pkg:npm/react"} <= urls
    assert len(urls) > 60
    assert all(one["licenses"][0]["license"]["name"] for one in sbom["components"])


def test_unknown_license_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    one = bill.Component("mystery", "1", "Commercial", "pypi", ())
    monkeypatch.setattr(bill, "components", lambda: [one])
    assert bill.main([]) == 1
    assert "mystery 1: Commercial" in capsys.readouterr().err
