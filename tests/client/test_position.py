"""The position that a stream reports: that of the last event its caller received, however far the connection
has read."""

from millrace.client import Client
from tests.client.faulty import RUN, serving
from tests.client.talking import EVENTS, QUICK


def test_stream_names_the_last_event_that_was_taken() -> None:
    with serving(EVENTS) as server, Client(server.url, "token", policy=QUICK) as client:
        with client.conversations.send_message_stream("c", "hi") as stream:
            for number, _ in enumerate(stream, 1):
                assert stream.last_event_id == f"{RUN}.{number}"
                if number == 4:
                    break
        rest = client.runs.stream(str(stream.run_id), after=stream.last_event_id)
        assert [event["type"] for event in rest] == [event["type"] for event in EVENTS[4:]]
