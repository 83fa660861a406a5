"""Opus, AAC and FLAC with PyAV (FFmpeg's libraries): a muxer that writes to memory, emptied continuously."""

from typing import Any

import av

# Container, codec, rate that the codec requires (None: the engine's own), bits per second, options.
_KINDS: dict[str, tuple[str, str, int | None, int | None, dict[str, str]]] = {
    # A page every 20 ms instead of one a second, so that players start immediately.
    "opus": ("ogg", "libopus", 48000, 32000, {"page_duration": "20000"}),
    "aac": ("adts", "aac", None, 64000, {}),
    "flac": ("flac", "flac", None, None, {}),
}


class _Sink:
    """A file object for FFmpeg to write to. Without `seek`, muxers do not go back to fill in a length."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def drain(self) -> bytes:
        """Return the bytes written since the last call."""
        drained, self._written = bytes(self._written), bytearray()
        return drained


class AvEncoder:
    """See `encoders.Encoder`."""

    def __init__(self, kind: str, sample_rate: int) -> None:
        container, codec, rate, bits, options = _KINDS[kind]
        self._rate = sample_rate
        self._position = 0
        self._sink = _Sink()
        # Without `flush_packets`, FFmpeg holds packets back until its buffer is full.
        self._output: Any = av.open(
            self._sink, "w", format=container, container_options={"flush_packets": "1"} | options
        )
        encoding: dict[str, Any] = {"rate": rate or sample_rate, "layout": "mono"}
        self._stream: Any = self._output.add_stream(codec, **encoding | ({"bit_rate": bits} if bits else {}))

    def encode(self, pcm: bytes) -> bytes:
        """See `encoders.Encoder`."""
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
        frame.planes[0].update(pcm)
        frame.sample_rate = self._rate
        frame.pts = self._position
        self._position += frame.samples
        self._mux(frame)
        return self._sink.drain()

    def end(self) -> bytes:
        """See `encoders.Encoder`."""
        self._mux(None)
        self._output.close()
        return self._sink.drain()

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._output.mux(packet)
