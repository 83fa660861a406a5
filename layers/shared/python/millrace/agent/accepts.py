"""The kinds of attachment that models accept: images and PDF files. Text files are sent to every model as
text.

The table was written from general knowledge of the models and has not been compared with the makers' pages
line by line. A model that it does not list is sent images, and PDFs if its server has a field for them.
`python -m millrace.models check` asks the model itself, and an agent's `accepts` overrides the table.
"""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from millrace.domain.agents import Agent
from millrace.domain.content import attached, note_of
from millrace.domain.media import PDF, TEXT_TYPES
from millrace.errors import InvalidRequest, TooLarge

Accepts = frozenset[str]
NOTHING: Accepts = frozenset()
IMAGES: Accepts = frozenset({"image"})
ALL: Accepts = frozenset({"image", "pdf"})
_START = r"(?:^|[/.:_-])"
_KNOWN: tuple[tuple[str, Accepts], ...] = (
    (r"^demo:", NOTHING),
    (r"^echo:", ALL),
    (r"claude-(?:2|instant|v2)", NOTHING),
    (r"claude", ALL),
    (r"nova-(?:micro|sonic)", NOTHING),
    (r"nova-", ALL),
    (r"titan-text", NOTHING),
    (r"(?:gpt-3|gpt-oss|o1-mini|o1-preview|o3-mini)", NOTHING),
    (r"gpt-4(?:-32k|-0314|-0613)?$", NOTHING),
    (r"(?:chatgpt-4o|gpt-4o|gpt-4-turbo|gpt-4\.1|gpt-5|o1|o3|o4)", ALL),
    (r"gemini", ALL),
    (r"deepseek-(?:chat|reasoner|v3|r1)", NOTHING),
    (r"(?:mixtral|mistral-7b|ministral|codestral)", NOTHING),
    (r"(?:pixtral|mistral-(?:medium|small))", IMAGES),
    (r"llama-?3-?[.-]?2-?(?:11b|90b)|llama-?4|llava|qwen[\w.]*-?vl|gemma-?3", IMAGES),
    (r"(?:llama-?2|llama-?3)", NOTHING),
    (r"(?:command-r|jamba|grok-3)", NOTHING),
    (r"grok-(?:4|2-vision)", IMAGES),
)
_PATTERNS = [(re.compile(one if one[0] == "^" else _START + one), taken) for one, taken in _KNOWN]


class MediaRules(Struct, frozen=True):
    """The attachment limits of a model server: bytes of one image or PDF, how many of them a request may
    have, and the bytes of all together. `pdf` says whether the protocol has a field for PDFs, and `urls`
    which kinds the server fetches itself."""

    image_bytes: int = 3_750_000
    images: int = 20
    pdf_bytes: int = 20_000_000
    pdfs: int = 5
    bytes: int = 20_000_000
    pdf: bool = True
    urls: frozenset[str] = frozenset()


def media_rules(provider: object) -> MediaRules:
    """Return the limits of a provider: its `media`, or the defaults."""
    found = getattr(provider, "media", None)
    return found if isinstance(found, MediaRules) else MediaRules()


def accepts_of(model: str) -> Accepts | None:
    """Return the kinds that a model accepts, by its name with its provider; None if the model is not
    known."""
    name = model.lower()
    return next((taken for pattern, taken in _PATTERNS if pattern.search(name)), None)


def accepted(agent: Agent, model: str, rules: MediaRules) -> Accepts:
    """Return the kinds of attachment to send to an agent's model."""
    if agent.accepts is not None:
        return frozenset(agent.accepts)
    known = accepts_of(model)
    found = ALL if known is None else known
    return found if rules.pdf else found - {"pdf"}


def kind_of(block: dict[str, Any]) -> str | None:
    """Return `image`, `pdf` or `text` for an attachment, and None for any other block."""
    about = attached(block)
    if about is None or "image" in block:
        return "image" if about is not None else None
    return "text" if about.get("mediaType") in TEXT_TYPES else "pdf"


def most_bytes(kind: str, rules: MediaRules) -> int:
    """Return the maximum size of one image or PDF in bytes."""
    return rules.image_bytes if kind == "image" else rules.pdf_bytes


def check_accepted(blocks: Iterable[dict[str, Any]], taken: Accepts, rules: MediaRules, model: str) -> None:
    """Check the attachments of a message before its run starts. Raises `InvalidRequest` or `TooLarge`."""
    found = [(block, kind) for block in blocks if (kind := kind_of(block)) and kind != "text"]
    for block, kind in found:
        what = "images" if kind == "image" else f"{PDF} files"
        if kind not in taken:
            raise InvalidRequest(
                f"The model {model} does not accept {what}. Choose an agent with another model. If the "
                "model does accept them, set the agent's `accepts`.",
                code="attachment_not_accepted",
                model=model,
            )
        limit = most_bytes(kind, rules)
        if (attached(block) or {}).get("size", 0) > limit:
            raise TooLarge(
                f"{note_of(block)} is too large for the model {model}: its server accepts {what} of at most "
                f"{limit:,} bytes.",
                code="file_too_large",
                limit=limit,
            )
    for kind, most in (("image", rules.images), ("pdf", rules.pdfs)):
        if sum(one == kind for _, one in found) > most:
            raise InvalidRequest(
                f"The model {model} accepts at most {most} {kind} parts in a message.",
                code="too_many_attachments",
                limit=most,
            )
