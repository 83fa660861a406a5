"""The packages of each function on arm64: `sam build` finds a wheel for each locked one, and every binary in
it is for that machine and for Lambda's C library."""

import subprocess
from pathlib import Path

import pytest

from tests.effort import SOAKING
from tests.runtime.harness import ROOT

ARM64 = 183
"""`e_machine` of AArch64 in the header of an ELF file."""
PLATFORM = "aarch64-manylinux_2_34"
"""Amazon Linux 2023, below `python3.13`, has glibc 2.34."""
LOCKS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("layers/shared/python", "functions")
    for path in (ROOT / folder).rglob("requirements.txt")
)


def machine_of(path: Path) -> int | None:
    """The machine that a binary is for; None for any other file."""
    with path.open("rb") as file:
        header = file.read(20)
    return int.from_bytes(header[18:20], "little") if header[:4] == b"\x7fELF" else None


def test_each_function_with_packages_of_its_own_is_looked_at() -> None:
    assert {"functions/record/requirements.txt", "functions/voice/requirements.txt"} < set(LOCKS)


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="downloads all packages: make soak")
@pytest.mark.parametrize("lock", LOCKS)
def test_locked_packages_have_wheels_for_arm64_with_binaries_for_it(lock: str, tmp_path: Path) -> None:
    install = [ROOT / ".venv/bin/uv", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:"]
    wanted = ["--python-platform", PLATFORM, "--python-version", "3.13", "--require-hashes"]
    command = [*map(str, install), *wanted, "--target", str(tmp_path), "-r", lock]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    machines = {path: machine_of(path) for path in tmp_path.rglob("*") if path.is_file()}
    foreign = [str(path.relative_to(tmp_path)) for path, one in machines.items() if one not in (None, ARM64)]
    assert foreign == []
    print(f"{lock}: {sum(one == ARM64 for one in machines.values())} binaries for arm64")
