"""JSON that stays in memory for a while."""

from typing import Any

import orjson


def kept_json(value: Any, option: int | None = None) -> bytes:
    """Return a value as JSON, in memory of its own size; otherwise the same as `orjson.dumps`.

    orjson writes into a block of 4 KB, which a short result keeps as long as it lives (`sys.getsizeof` does
    not tell). Use this where many results are kept at the same time,
    not for one that is sent and forgotten.
    """
    return b"%b" % orjson.dumps(value, option=option)
