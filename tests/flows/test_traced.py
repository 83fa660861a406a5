"""The spans of a flow: its steps, from its log."""

import asyncio

import httpx

from millrace.services.runs.platform import Platform
from millrace.services.runs.run_events import missed_end
from millrace.services.traces.lost import spans_of_log
from tests.flows.making import INPUT, OUTPUT, THREE_STEPS, make_flow, stream


def test_steps_of_a_flow_have_spans(flows: httpx.Client, platform: Platform, organization: str) -> None:
    make_flow(flows, THREE_STEPS, output=OUTPUT)
    sent = stream(flows, INPUT)
    run_id = sent[0].data["runId"]
    run = asyncio.run(platform.stores.runs.get(organization, run_id))
    spans = asyncio.run(spans_of_log(platform.stores, missed_end(run)))
    steps = [span for span in spans if span.name.startswith("step ")]
    assert [span.name for span in steps] == ["step sum", "step told", "step shaped"]
    assert all(span.end >= span.start and not span.error for span in steps)
    assert len({span.parent for span in steps}) == 1
    assert not [span for span in spans if span.error == "process_lost"]
