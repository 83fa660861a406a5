"""The package's log lines as they reach stdout.

with captured_logs() as lines:
    ...
assert lines()[0]["message"] == ...
"""

import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any
from unittest.mock import patch

from millrace.telemetry import logs

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def captured_logs(**variables: str) -> Iterator[Lines]:
    """Configure logging as a function's init does with these environment variables, until the block ends."""
    package = logging.getLogger(logs.SERVICE)
    before = dict(vars(package))
    vars(package).update(handlers=[], init=False, powertools_handler=None)
    logs.configure.cache_clear()
    written = io.StringIO()
    try:
        with patch.dict(os.environ, variables), redirect_stdout(written):
            logs.configure()
            yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    finally:
        vars(package).clear()
        vars(package).update(before)
        package.setLevel(before["level"])
        logs.configure.cache_clear()
