"""One part of `side_by_side` by itself: `python -m tests.bench._part <name>` prints its result as JSON."""

import importlib
import json
import os
import sys
import traceback
from typing import Any


def result_of(name: str) -> dict[str, Any]:
    """`found`, or `failed` with the reason."""
    try:
        return {"found": importlib.import_module(f"tests.bench.parts.{name}").measure()}
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


if __name__ == "__main__":
    # What the part prints by itself must not get between the lines of JSON.
    output = os.dup(1)
    os.dup2(2, 1)
    result = json.dumps(result_of(sys.argv[1]))
    with open(output, "w") as file:
        file.write(result)
