"""`python -m local.bill_of_materials`: the packages that we ship, with their origins and licenses.

  python -m local.bill_of_materials sbom.json        CycloneDX 1.6 of layers, functions and the page
  python -m local.bill_of_materials                  the licenses; fails if one is not allowed

Names and versions come from the lock files, licenses from the installed packages and npm's lock file. No
network is needed.
"""

import json
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = (
    "Apache",
    "BSD",
    "ISC",
    "LGPL",
    "MIT",
    "MPL",
    "PSF",
    "Python-2.0",
    "Unlicense",
    "0BSD",
    "3-Clause BSD",
    "BlueOak",
    "CC0",
    "CC-BY",
    "Zlib",
    "OFL",
)
"""Prefixes of licenses under which a package may be shipped with ours."""
COPYLEFT = {
    "espeakng-loader": "GPL-3.0: the voice function and the extra `voice` carry it; SpeechEngine=polly or "
    "openai never loads it, and a stack without it leaves it out of functions/voice/requirements.txt",
}
"""Packages with other licenses, and where they are."""
LOCKS = (
    "layers/shared/python/requirements.txt",
    *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("functions/*/requirements.txt")),
)
_PIN = re.compile(r"^([A-Za-z0-9_.\[\]-]+)==([^ ;\\]+)(?: ?; ([^\\\n]+))?", re.MULTILINE)


@dataclass(frozen=True)
class Component:
    """A package that is shipped. `ships` are the lock files that name it."""

    name: str
    version: str
    license: str
    registry: str
    ships: tuple[str, ...]

    @property
    def allowed(self) -> bool:
        parts = re.split(r"\s+(?:AND|OR)\s+|[()]", self.license)
        return any(part.strip().startswith(ALLOWED) for part in parts)

    def to_cyclonedx(self) -> dict[str, Any]:
        kind = "pypi" if self.registry == "pypi" else "npm"
        purl = f"pkg:{kind}/{self.name.replace('@', '%40')}@{self.version}"
        return {
            "type": "library",
            "bom-ref": purl,
            "name": self.name,
            "version": self.version,
            "purl": purl,
            "licenses": [{"license": {"name": self.license}}],
            "properties": [{"name": "millrace:ships", "value": one} for one in self.ships],
        }


def components() -> list[Component]:
    """Return every package of the layers, functions and the page, by name."""
    found: dict[tuple[str, str], list[str]] = {}
    for lock in LOCKS:
        for name, version, marker in _PIN.findall((ROOT / lock).read_text()):
            if marker and not _applies(marker):
                continue
            found.setdefault((name.partition("[")[0].lower(), version), []).append(lock)
    python = [
        Component(name, version, license_of(name), "pypi", tuple(ships))
        for (name, version), ships in found.items()
    ]
    return sorted([*python, *_npm()], key=lambda one: (one.registry, one.name))


def _applies(marker: str) -> bool:
    """Return whether a line of a lock file applies to Lambda."""
    return Marker(marker).evaluate({"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"})


def license_of(package: str) -> str:
    """Return the license of an installed package, or "" if it has none or is not installed."""
    if package in COPYLEFT:
        return COPYLEFT[package].partition(":")[0]
    try:
        fields: Any = metadata.metadata(package)  # its stubs do not know `get`
    except metadata.PackageNotFoundError:
        return ""
    if expression := fields.get("License-Expression"):
        return str(expression)
    classifiers = [one for one in fields.get_all("Classifier", []) if one.startswith("License ::")]
    names = [_short(one.rpartition(":: ")[2]) for one in classifiers if not one.endswith("OSI Approved")]
    short = (fields.get("License") or "").strip().splitlines()[:1]
    return " OR ".join(names) or (short[0] if short else "")


def _short(classifier: str) -> str:
    return classifier.removesuffix(" License").replace("Apache Software", "Apache-2.0")


def _npm() -> Iterator[Component]:
    """Yield packages that the built page may contain, but not those that only build it."""
    packages = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    for path, one in packages.items():
        if path.startswith("node_modules/") and not one.get("dev") and not one.get("link"):
            name = path.rpartition("node_modules/")[2]
            yield Component(
                name, one["version"], str(one.get("license", "")), "npm", ("web/package-lock.json",)
            )


def problems(found: list[Component]) -> list[str]:
    """Return the packages whose license is neither allowed nor named in `COPYLEFT`."""
    return [
        f"{one.name} {one.version}: {one.license or 'no license is known'}"
        for one in found
        if not one.allowed and one.name not in COPYLEFT
    ]


def to_cyclonedx(found: list[Component]) -> dict[str, Any]:
    """Return the bill of materials."""
    ours = {"type": "application", "name": "millrace", "bom-ref": "millrace"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {"component": ours},
        "components": [one.to_cyclonedx() for one in found],
    }


def main(arguments: list[str]) -> int:
    found = components()
    if arguments:
        Path(arguments[0]).write_text(json.dumps(to_cyclonedx(found), indent=1) + "\n")
        print(f"{len(found)} packages in {arguments[0]}")
        return 0
    for one in found:
        print(f"{one.registry:5} {one.name:32} {one.version:16} {one.license}")
    for name, where in COPYLEFT.items():
        print(f"{name} is {where}.")
    if wrong := problems(found):
        print("Not allowed:", *wrong, sep="\n  ", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
