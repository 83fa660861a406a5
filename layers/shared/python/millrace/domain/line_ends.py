"""Normalizes lines in streams of bytes that may end in any of the ways that Server-Sent Events allow."""


class LineEnds:
    """Ends every line of a stream with a line feed, regardless of how the network split it."""

    def __init__(self) -> None:
        self._return = False

    def plain(self, chunk: bytes) -> bytes:
        """Return the chunk with line feeds only. A carriage return at its end waits for the next chunk."""
        if not self._return and b"\r" not in chunk:
            return chunk
        if self._return:
            chunk = b"\r" + chunk
        self._return = chunk.endswith(b"\r")
        if self._return:
            chunk = chunk[:-1]
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
