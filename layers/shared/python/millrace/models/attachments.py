"""An image and a PDF whose content only a model that reads them can name, and the setting that follows from
its answers."""

import base64
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from millrace.agent.accepts import accepted
from millrace.agent.model import Block, Message
from millrace.domain.media import PDF
from millrace.errors import ProviderError
from millrace.models.session import ModelSession, user

_SIDE = 128
_BLUE, _YELLOW = b"\x10\x30\xf0", b"\xff\xe8\x10"
_NAMED = re.compile(
    r"image|picture|vision|multi-?modal|mmproj|pdf|document|file|attachment|content type", re.I
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question about an attachment. `words` are in the answer of a model that has read it."""

    block: Block
    text: str
    words: tuple[str, ...]

    def turn(self) -> Message:
        """Return the user's turn."""
        asked = user(self.text)
        return asked | {"content": [self.block, *asked["content"]]}

    def answered_by(self, text: str) -> bool:
        """Return whether an answer names the content of the attachment."""
        return all(word in text.lower() for word in self.words)


def questions() -> dict[str, Question]:
    """Return the questions, by the kinds of an agent's `accepts`."""
    return {
        "image": Question(
            {"image": {"mediaType": "image/png", "name": "colors.png", "data": _base64(_image())}},
            "The image has two halves. Name the color of the upper half and of the lower half, in one line.",
            ("blue", "yellow"),
        ),
        "pdf": Question(
            {
                "file": {
                    "mediaType": PDF,
                    "name": "word.pdf",
                    "data": _base64(_pdf("The password is TANGERINE.")),
                }
            },
            "Which password does the document contain? Answer with this one word.",
            ("tangerine",),
        ),
    }


def refuses_attachment(error: ProviderError) -> bool:
    """Return whether a server that has answered texts refuses attachments, and is not merely busy or down."""
    if error.http_status is None or error.code == "provider_auth":
        return False
    # llama.cpp answers 500 for an image without a projector, which looks like an outage.
    return not error.retryable or (error.http_status == 500 and bool(_NAMED.search(error.message)))


def accepts_advice(read: Mapping[str, bool], session: ModelSession, model: str) -> tuple[str, ...]:
    """Return what to set if a model reads other kinds than it would be sent. A kind that is not in `read`
    could not be tested, and is left as it is."""
    sent = accepted(session.agent, model, session.media)
    found = frozenset(kind for kind in questions() if read.get(kind, kind in sent))
    if found == sent:
        return ()
    listed = ", ".join(f'"{kind}"' for kind in sorted(found))
    return (f'Set "accepts": [{listed}] on the agent: the model reads these attachments.',)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _image() -> bytes:
    """Return a PNG whose upper half is blue, and whose lower half is yellow."""
    rows = [b"\0" + color * _SIDE for color in (_BLUE, _YELLOW) for _ in range(_SIDE // 2)]
    header = 2 * _SIDE.to_bytes(4) + b"\x08\x02\0\0\0"
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in chunks
    )


def _pdf(line: str) -> bytes:
    """Return a PDF of one page with one line."""
    drawn = f"BT /F1 24 Tf 60 700 Td ({line}) Tj ET"
    objects = (
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        f"<</Length {len(drawn)}>>\nstream\n{drawn}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body, offsets = "%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{one}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    trailer = f"trailer\n<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF\n"
    return (body + head + trailer).encode()
