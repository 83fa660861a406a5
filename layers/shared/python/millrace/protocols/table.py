"""The table of protocols: one row each. Their code is imported when a client speaks them."""

from collections.abc import Mapping

import orjson

from millrace.protocols.protocol import Projection, StreamProtocol, View

NATIVE = StreamProtocol("native", heartbeat=b'data: {"type":"heartbeat"}\n\n')
"""Events as they are logged, by `native.encoding.NativeEncoder`."""


def _ag_ui(view: View, options: Mapping[str, str]) -> Projection:
    from millrace.protocols.ag_ui.encoding import AgUiProjection

    return AgUiProjection(
        options["threadId"],
        options["runId"],
        view.detail,
        before=orjson.loads(options.get("before", "[]")),
        opening="opening" in options,
    )


AG_UI = StreamProtocol("ag_ui", project=_ag_ui, detail="full")
"""Options: `threadId` and `runId`, the client's own; `before`, the messages before the run as JSON;
`opening`, which begins with a snapshot of them."""
A2A = StreamProtocol("a2a")
"""Updates of tasks, by `a2a.projection.TaskProjection`: its streams begin with the task as it stands."""
PROTOCOLS: tuple[StreamProtocol, ...] = (NATIVE, AG_UI, A2A)
