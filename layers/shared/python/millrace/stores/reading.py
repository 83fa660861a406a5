"""Lists of stored items, some of which may be unreadable."""

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from millrace.stores.dynamo import Item

log = logging.getLogger(__name__)
Read = TypeVar("Read")


def readable(items: Iterable[Item], read: Callable[[Item], Read]) -> list[Read]:
    """Read each item. An unreadable one is logged and left out, so that it does not hide the others."""
    found = []
    for item in items:
        try:
            found.append(read(item))
        except Exception:
            log.exception("the item %s %s cannot be read", item.get("pk"), item.get("sk"))
    return found
