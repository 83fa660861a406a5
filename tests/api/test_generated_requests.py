"""Valid and invalid requests that Schemathesis generates for every operation: the response is always one that
the document declares (`tests.contract`), and never a failure of ours."""

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

from tests.api.test_role_operations import APPS, urls
from tests.contract import DOCUMENT, EVENT_STREAM
from tests.effort import effort, soak
from tests.tokens import Issuer

schemathesis = pytest.importorskip("schemathesis")
GenerationMode = pytest.importorskip("schemathesis.generation").GenerationMode
__all__ = ["urls"]

CASES = effort(2, 25)
"""Requests of each kind, valid and not, to each operation."""
SEED = int(os.environ.get("SOAK_SEED", "1"))
"""The same requests in each run. Others are made of another seed."""
AT_LEAST = effort(300, 5_000)
"""The requests that are sent in all."""


def operations() -> Iterator[Any]:
    found = [one.ok() for one in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()]
    # It may revoke the tokens of everybody, those of these requests included.
    yield from sorted(found, key=lambda one: one.label == "POST /api/revocations")


def cases_of(operation: Any) -> list[Any]:
    """Return requests for an operation, the same in each run."""
    made: list[Any] = []
    for mode in GenerationMode:

        @seed(SEED)
        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=CASES,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def collect(case: Any) -> None:
            made.append(case)

        try:
            collect()
        except Unsatisfiable:
            pass  # nothing can be wrong with a request that has no parts
    return made


@soak
@pytest.mark.timeout(300)
def test_generated_requests_get_declared_answers(
    urls: dict[str, str], issuer: Issuer, organization: str
) -> None:
    known = known_things(urls, issuer.headers(organization))
    failed = []
    statuses: Counter[int] = Counter()
    with httpx.Client(headers=issuer.headers(organization), timeout=60) as client:
        for operation in operations():
            if not operation.path.startswith(tuple(APPS)):
                continue  # webhooks
            for number, case in enumerate(cases_of(operation)):
                status = send(client, urls, case, known if number % 2 else {})
                statuses[status] += 1
                if status >= 500:
                    failed.append(
                        f"{operation.label}: {status} for {case.path_parameters} {case.body!r:.300}"
                    )
    print(f"seed {SEED}: {statuses.total():,} requests, by status {dict(sorted(statuses.items()))}")
    assert not failed, "\n".join(failed)
    assert statuses.total() - statuses[0] >= AT_LEAST


def known_things(urls: dict[str, str], headers: dict[str, str]) -> dict[str, str]:
    """Create things, and return them by the names that paths have for them."""
    source = {
        "name": "Generated",
        "source": {"type": "webhook"},
        "destination": {"type": "webhook", "config": {"url": "https://example.com"}},
    }
    made = httpx.post(urls["/api"] + "/api/streaming/pipelines", json=source, headers=headers)
    assert made.status_code == 201, made.text
    conversation = {"id": "c1", "agentId": "echo"}
    httpx.post(urls["/api/conversations"] + "/api/conversations", json=conversation, headers=headers)
    httpx.put(urls["/api"] + "/api/agents/mine", json={"name": "Mine"}, headers=headers)
    return {"pipeline_id": made.json()["id"], "conversation_id": "c1", "agent_id": "mine", "number": "0"}


def send(client: httpx.Client, urls: dict[str, str], case: Any, known: dict[str, str]) -> int:
    """Send a request and return the status; 0 for one that HTTP cannot write. Streams are left at once."""
    case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
    prefix = next(prefix for prefix in APPS if case.path.startswith(prefix))
    written = case.as_transport_kwargs(base_url=urls[prefix])
    ours = {"authorization", "host", "content-length", "connection"}
    headers = {name: value for name, value in written["headers"].items() if name.lower() not in ours}
    body = {"json": written["json"]} if "json" in written else {"content": written.get("data") or b""}
    try:
        with client.stream(
            written["method"], written["url"], params=written["params"], headers=headers, **body
        ) as response:
            if not response.headers.get("content-type", "").startswith(EVENT_STREAM):
                response.read()
            return response.status_code
    except (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeEncodeError, TypeError, ValueError):
        return 0
