"""The table of protocols: one row each. Their code is imported when a client speaks them."""

from millrace.protocols.protocol import StreamProtocol

NATIVE = StreamProtocol("native", heartbeat=b'data: {"type":"heartbeat"}\n\n')
"""Events as they are logged, by `native.encoding.NativeEncoder`."""
PROTOCOLS: tuple[StreamProtocol, ...] = (NATIVE,)
