"""A handler that waits at a named pipe until the test closes it, and reports its process id."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    if "child" in event:
        started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        Path(event["child"]).write_text(str(started.pid))
    if "say" in event:
        sys.stdout.write(event["say"])
        sys.stdout.flush()
    if "pipe" in event:
        Path(event["pipe"]).read_text()
    if "hang" in event:
        threading.Event().wait()
    return {"pid": os.getpid()}
