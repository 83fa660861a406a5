"""Counts what a process asks of AWS, by botocore's events, so of clients of botocore's alone; DynamoDB's
units are told by the emulator.

meter = Meter()
with counting(meter):       # before any client is made
    ...
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import botocore.handlers

from millrace.cost import prices
from millrace.stores.aws import Aws

_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
_READS = {"GetItem", "Query", "BatchGetItem"}


@dataclass
class Meter:
    """`calls` by `service.Operation`; `chunks` are what SQS bills; units are DynamoDB's, indexes included;
    `logged` are bytes."""

    calls: Counter[str] = field(default_factory=Counter)
    write_units: float = 0
    read_units: float = 0
    chunks: int = 0
    logged: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        self.calls.clear()
        self.write_units = self.read_units = self.chunks = self.logged = 0

    def ask(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        """A call is about to be made."""
        if model.name in _WRITES | _READS:
            params["ReturnConsumedCapacity"] = "TOTAL"
        bodies = [one["MessageBody"] for one in params.get("Entries", [params]) if "MessageBody" in one]
        if bodies:
            with self._lock:
                self.chunks += chunks(sum(len(body.encode()) for body in bodies))

    def record_answer(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        """A call was answered."""
        consumed = parsed.get("ConsumedCapacity", [])
        units = sum(one["CapacityUnits"] for one in (consumed if isinstance(consumed, list) else [consumed]))
        with self._lock:
            self.calls[f"{model.service_model.service_name}.{model.name}"] += 1
            if model.name in _WRITES:
                self.write_units += units
            else:
                self.read_units += units

    def received(self, bodies: list[str]) -> None:
        """Count the requests of Lambda's pollers for these messages: ten at a time, received and deleted."""
        for start in range(0, len(bodies), 10):
            self.chunks += chunks(sum(len(body.encode()) for body in bodies[start : start + 10])) + 1

    def dollars(self) -> dict[str, float]:
        """By service; Lambda is told by CPU, which is not seen here."""
        return {
            "sqs": self.chunks * prices.SQS_REQUEST,
            "dynamodb": self.write_units * prices.WRITE_UNIT + self.read_units * prices.READ_UNIT,
            "s3": self.calls["s3.PutObject"] * prices.S3_PUT + self.calls["s3.GetObject"] * prices.S3_GET,
            "logs": self.logged * prices.LOG_BYTE,
        }


def chunks(size: int) -> int:
    """Return how many requests a payload of so many bytes is billed as."""
    return max(1, -(-size // prices.CHUNK))


@contextmanager
def hooked(*hooks: tuple[str, Callable[..., Any]]) -> Iterator[None]:
    """Clients that are made within the block are botocore's, and call these: the name of one of its events,
    and a function."""
    added: list[Any] = list(hooks)
    botocore.handlers.BUILTIN_HANDLERS += added
    try:
        with patch.object(Aws, "_make", Aws._with_botocore):
            yield
    finally:
        for hook in added:
            botocore.handlers.BUILTIN_HANDLERS.remove(hook)


@contextmanager
def counting(meter: Meter) -> Iterator[None]:
    """Sessions that are made within the block, and their clients, are counted."""
    with hooked(("before-parameter-build", meter.ask), ("after-call", meter.record_answer)):
        yield
