from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.missing import missing
from tests.runtime.emulator import can_mount, program, public_python
from tests.runtime.host import Host


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """A Runtime API that records what it is sent."""
    async with Host().listen() as listening:
        yield listening


@pytest.fixture
def rie() -> Path:
    """AWS's runtime interface emulator."""
    found = program()
    if found is None:
        missing("aws-sam-cli is missing: `make install` brings it")
    return found


@pytest.fixture
def shared_python() -> str:
    """A Python for the emulator's concurrent mode, which needs mounts and another user."""
    found = public_python()
    if found is None or not can_mount():
        missing("needs root (for `unshare -m`) and Debian's python3, 3.11 or newer: apt install python3")
    return found
