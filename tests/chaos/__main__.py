"""The chaos run: inject faults, wait for calm, check, and print figures. Exit status 1 if a guarantee was
broken."""

import argparse
import random
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

import httpx

from tests.chaos.checks import Checks
from tests.chaos.clients import CAREFUL, PER_REQUEST, Books, Client
from tests.chaos.faults.sitecustomize import SHARES
from tests.e2e.streaming import kill, started
from tests.e2e.test_storm import impatient
from tests.fakes.sink import Sink, sinking
from tests.fakes.steady_model import LEAD, Office, office
from tests.stack import RunningStack

KILLED = (
    "ConversationFunction",
    "ContinueRunsFunction",
    "TransformFunction",
    "DeliverFunction",
    "RecordFunction",
)
KILL_EVERY = (5.0, 15.0)
"""Seconds between two kills of all processes of a function, beside those that kill themselves at a call."""


@contextmanager
def faulty_stack(seed: int, servers: str) -> Iterator[tuple[RunningStack, Path]]:
    """Run a stack whose functions draw faults while the file `on` is in the folder."""
    folder = Path(tempfile.mkdtemp(prefix="millrace-chaos-"))
    shutil.copy(Path(__file__).parent / "faults" / "sitecustomize.py", folder)
    (folder / "seed").write_text(str(seed))
    running = RunningStack(environ={"FUNCTIONS_PYTHONPATH": str(folder), "OPENAI_SERVERS": servers})
    try:
        yield running.wait_until_ready(300), folder
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Chaos:
    """One run of chaos."""

    def __init__(self, stack: RunningStack, folder: Path, office: Office, sink: Sink, seed: int) -> None:
        self._stack, self._folder, self._office, self._sink = stack, folder, office, sink
        self._draw = random.Random(seed)
        self.books, self.over, self.kills = Books(), threading.Event(), Counter[str]()
        self.http = httpx.Client(
            base_url=stack.url, headers=stack.headers(f"chaos-{uuid.uuid4().hex[:8]}"), timeout=60
        )

    def client(self) -> Client:
        return Client(self.http, self.books, self.over, random.Random(self._draw.random()))

    def begin(self) -> str:
        """Create agents and the pipeline."""
        for agent in [*self._office.agents(), CAREFUL]:
            assert self.http.post("/api/agents", json=agent).status_code == 201
        destination = {
            "type": "webhook",
            "config": {"url": self._sink.url, "retryPolicy": {"maxRetries": 10}},
        }
        return started(self.http, source={"type": "agent_execution"}, destination=destination)

    def rage(self, pipeline: str, seconds: float) -> None:
        """Work under faults for this time. Then end the faults, and let the work finish."""
        numbers = count(0, PER_REQUEST)
        lock = threading.Lock()

        def next_events() -> int:
            with lock:
                return next(numbers)

        jobs: list[Callable[[Client, int], None]] = [
            lambda c, n: c.converse(f"lead{n}", LEAD),
            lambda c, n: c.converse(f"other{n}", LEAD),
            lambda c, n: c.converse(f"echo{n}", "echo"),
            lambda c, n: c.rush(f"rush{n}"),
            lambda c, n: c.approve(f"careful{n}"),
            lambda c, n: c.push(pipeline, next_events()),
        ]
        self._sink.failing = True
        (self._folder / "on").touch()
        with ThreadPoolExecutor(len(jobs) + 1) as pool:
            clients = [self.client() for _ in jobs]
            working = [
                pool.submit(client.repeat, partial(job, client))
                for job, client in zip(jobs, clients, strict=True)
            ]
            working.append(pool.submit(self._kill_at_random))
            time.sleep(seconds)
            (self._folder / "on").unlink()
            self._sink.failing = False
            self.over.set()
            for one in working:
                one.result()

    def _kill_at_random(self) -> None:
        draw = random.Random(self._draw.random())
        while not self.over.wait(draw.uniform(*KILL_EVERY)):
            name = draw.choice(KILLED)
            self.kills[name] += kill(self._stack, name)

    def faults(self) -> dict[str, Counter[str]]:
        """Return the number of faults of each kind, by function."""
        found = {}
        for path in sorted(self._folder.glob("*.faults")):
            found[path.stem.partition("-")[2] or path.stem] = Counter(path.read_text().splitlines())
        return found

    def untried(self) -> set[str]:
        """Return the kinds of faults that affected no call of the product's own client: its hook missed
        them."""
        return set(SHARES) - {one.removeprefix("own: ") for each in self.faults().values() for one in each}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with (
        office() as steady,
        sinking() as sink,
        faulty_stack(asked.seed, steady.servers()) as (stack, folder),
        impatient(stack, "IngestQueue", "DeliveryQueue", "RunQueue", "RecordQueue"),
    ):
        chaos = Chaos(stack, folder, steady, sink, asked.seed)
        pipeline = chaos.begin()
        chaos.rage(pipeline, asked.seconds)
        checks = Checks(stack, chaos.client(), steady, sink, pipeline)
        checks.run()
        for function, befell in chaos.faults().items():
            print(f"{function}: {dict(sorted(befell.items()))}")
        print(f"kills from outside: {dict(chaos.kills)}")
        print("\n".join(checks.figures))
        for problem in chaos.books.wrong:
            print(f"BROKEN: {problem}")
        if untried := chaos.untried():
            print(f"NEVER TRIED: {sorted(untried)}")
        return 1 if chaos.books.wrong or untried else 0


if __name__ == "__main__":
    sys.exit(main())
