"""Finds tool calls that a model writes into its text because its server does not parse them.

Used only for models that are known to do so, and only if they have tools: a model that quotes a web page must
not call a tool that the page names.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from millrace.agent.call_ids import NO_NAME, new_id
from millrace.agent.code_spans import CodeSpans
from millrace.agent.model import ToolCall, ToolSpec
from millrace.agent.pieces import Piece
from millrace.agent.providers.lenient_json import parse_value
from millrace.agent.providers.tool_calls import ARGUMENTS_LIMIT, read_arguments
from millrace.errors import ProviderError

Fences = tuple[tuple[str, str], ...]
"""Pairs of markers that begin and end a block of calls. With "" the block ends with the text."""


class RawCallFilter:
    """Takes the blocks of calls out of visible text and returns each as one complete piece."""

    def __init__(self, fences: Fences) -> None:
        self._fences = fences
        self._first = re.compile("[" + re.escape("".join(sorted({begin[0] for begin, _ in fences}))) + "]")
        self._pending = ""
        self._block: list[str] = []
        self._size = 0
        self._end = ""
        self._inside = False
        self._code = CodeSpans()

    def feed(self, text: str) -> list[Piece]:
        out: list[Piece] = []
        text, self._pending = self._pending + text, ""
        while text:
            text = self._go_on(text, out) if self._inside else self._find_block(text, out)
        return out

    def finish(self) -> list[Piece]:
        """Return the rest. A block that was never closed still counts as a block."""
        out: list[Piece] = []
        pending, self._pending = self._pending, ""
        if self._inside:
            self._block.append(pending)
            self._close(out)
        elif pending:
            out.append(Piece("text", pending))
        return out

    def _find_block(self, text: str, out: list[Piece]) -> str:
        """Pass on text up to the beginning of a block; return the text after the marker."""
        at = 0
        while found := self._first.search(text, at):
            self._pass(text[at : found.start()], out)
            at = found.start()
            if not self._code.inside():
                for begin, end in self._fences:
                    if text.startswith(begin, at):
                        self._inside, self._end, self._block = True, end, [begin]
                        return text[at + len(begin) :]
                if any(begin.startswith(text[at:]) for begin, _ in self._fences):
                    self._pending = text[at:]
                    return ""
            self._pass(text[at], out)
            at += 1
        self._pass(text[at:], out)
        return ""

    def _pass(self, text: str, out: list[Piece]) -> None:
        if text:
            self._code.feed(text)
            out.append(Piece("text", text))

    def _go_on(self, text: str, out: list[Piece]) -> str:
        """Collect a block; return the text after its end."""
        end = text.find(self._end) if self._end else -1
        if end >= 0:
            self._block.append(text[: end + len(self._end)])
            self._close(out)
            return text[end + len(self._end) :]
        keep = _begun_at_end(text, self._end)
        self._block.append(text[: len(text) - keep])
        self._pending = text[len(text) - keep :]
        self._size += len(text)
        # Nothing of a block is passed on before its end, so the size of an endless one must be limited.
        if self._size > ARGUMENTS_LIMIT:
            raise ProviderError(
                f"The model's answer has arguments of more than {ARGUMENTS_LIMIT:,} characters.",
                code="unreadable_response",
            )
        return ""

    def _close(self, out: list[Piece]) -> None:
        out.append(Piece("call", "".join(self._block)))
        self._inside, self._block, self._size = False, [], 0


def _begun_at_end(text: str, marker: str) -> int:
    """Return how many characters at the end of the text may be the beginning of the marker."""
    for length in range(min(len(marker) - 1, len(text)), 0, -1):
        if marker.startswith(text[-length:]):
            return length
    return 0


# Blocks are as long as models make them. So each of these patterns looks at a character only a few times,
# also where it does not match: names end at `<`, and what has matched is not tried in another way.
_INVOKE = re.compile(r'<[^<>\s]*invoke\s+name="([^"]*)"[^<>]*>(.*?)(?:</[^<>\s]*invoke>|$)', re.DOTALL)
_PARAMETER = re.compile(
    r'<[^<>\s]*parameter(?:\s+name="([^"]*)"[^<>]*|=([^<>]*))>(.*?)(?:</[^<>\s]*parameter>|$)', re.DOTALL
)
_FUNCTION = re.compile(r"<function=([^<>]+)>(.*?)(?:</function>|$)", re.DOTALL)
_KIMI = re.compile(
    r"<\|tool_call_begin\|>\s*([^\s<]+)\s*<\|tool_call_argument_begin\|>(.*?)(?:<\|tool_call_end\|>|$)",
    re.DOTALL,
)
_DEEPSEEK = re.compile(r"<｜tool▁call▁begin｜>([^<]*)<｜tool▁sep｜>(.*?)(?:<｜tool▁call▁end｜>|$)", re.DOTALL)
_HARMONY = re.compile(r"to=([^\s<]+)")
_HARMONY_KIND = re.compile(r"\s*(?:json|code)?")
_GLM = re.compile(
    r"<tool_call>\s*([\w.-]+)\s*((?:<arg_key>.*?</arg_value>\s*)*+)(?:</tool_call>|$)", re.DOTALL
)
_GLM_PAIR = re.compile(r"<arg_key>([^<]*)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL)
_MISTRAL = re.compile(r"(?<![\w.-])([\w.-]++)(?:\[CALL_ID\]\w*)?(?:\[ARGS\])?\s*(?=\{)")
_MARKUP = re.compile(r"</?tool_call>|<\|[^<>|]*\|>|\[TOOL_CALLS\]")


def calls_in(block: str, tools: Mapping[str, ToolSpec]) -> list[ToolCall]:
    """Return the calls of a block. If none can be read, return one without arguments, so that the model is
    told."""
    found = [*_written(block, tools)]
    return found or [ToolCall(new_id(), NO_NAME, None, block)]


def _written(block: str, tools: Mapping[str, ToolSpec]) -> Iterator[ToolCall]:
    for name, body in [*_INVOKE.findall(block), *_FUNCTION.findall(block)]:
        yield _call(name, _parameters(name, body, tools) if "parameter" in body else body)
    # The arguments of a call may themselves look like calls in another format.
    if "invoke" in block or "<function=" in block:
        return
    for name, body in [*_KIMI.findall(block), *map(_deepseek, _DEEPSEEK.findall(block))]:
        yield _call(re.sub(r":\d+$", "", name), body)
    if "begin" in block:
        return
    head, marker, message = block.partition("<|message|>")
    if marker and (harmony := _HARMONY.search(head)):
        yield _call(harmony[1], _HARMONY_KIND.sub("", message, 1))
    elif glm := _GLM.fullmatch(block.strip()):
        pairs = {
            key.strip(): _typed(glm[1], key.strip(), value, tools) for key, value in _GLM_PAIR.findall(glm[2])
        }
        yield _call(glm[1], orjson.dumps(pairs).decode())
    else:
        yield from _from_json(_MARKUP.sub(" ", block).strip())


def _call(name: str, arguments: str) -> ToolCall:
    arguments = _MARKUP.sub("", arguments).strip()
    return ToolCall(new_id(), name.strip(), read_arguments(arguments), arguments)


def _deepseek(call: tuple[str, str]) -> tuple[str, str]:
    """Return the name and the arguments. V3.1 writes just these; earlier versions write `function`, the name,
    and the arguments as code."""
    kind, rest = call
    if kind.strip() != "function":
        return kind, rest
    name, _, body = rest.partition("\n")
    return name, re.sub(r"^\s*```(?:json)?|```\s*$", "", body)


def _parameters(name: str, body: str, tools: Mapping[str, ToolSpec]) -> str:
    found = {
        (key or other).strip(): _typed(name, (key or other).strip(), value, tools)
        for key, other, value in _PARAMETER.findall(body)
    }
    return orjson.dumps(found).decode()


def _typed(name: str, key: str, value: str, tools: Mapping[str, ToolSpec]) -> Any:
    """Return the value by the type in the tool's schema: text for a string, otherwise parsed as JSON."""
    value = value.removeprefix("\n").removesuffix("\n")
    tool = tools.get(name.strip())
    schema = (tool.parameters.get("properties") or {}).get(key) if tool else None
    if isinstance(schema, dict) and schema.get("type") == "string":
        return value
    try:
        return parse_value(value)
    except ValueError:
        return value


def _from_json(text: str) -> Iterator[ToolCall]:
    """Yield calls written as JSON: an object or a list of them, or a name followed by its arguments."""
    if _MISTRAL.match(text):
        yield from _named(text)
        return
    try:
        found = parse_value(text)
    except ValueError:
        found = [*_objects(text)]
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, dict) and (call := _object_call(one)):
            yield call


def _named(text: str) -> Iterator[ToolCall]:
    starts = [*_outside_of_arguments(text)]
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        yield _call(start[1], text[start.end() : following.start() if following else len(text)])


def _outside_of_arguments(text: str) -> Iterator[re.Match[str]]:
    """Yield the beginnings of calls. A name inside the arguments of a call does not begin another call."""
    depth = at = 0
    for start in _MISTRAL.finditer(text):
        depth += text.count("{", at, start.start()) - text.count("}", at, start.start())
        at = start.start()
        if not depth:
            yield start


def _objects(text: str) -> Iterator[Any]:
    """Yield the JSON objects in a text, whatever stands between them."""
    for part in re.split(r"(?<=\})\s*[;,]?\s*(?=\{)", text):
        try:
            yield parse_value(part)
        except ValueError:
            continue


def _object_call(one: dict[str, Any]) -> ToolCall | None:
    function = one.get("function")
    one = function if isinstance(function, dict) else one
    name = one.get("name") or one.get("tool") or (function if isinstance(function, str) else None)
    if not isinstance(name, str):
        return None
    given: Any = next((one[key] for key in ("arguments", "parameters", "args", "input") if key in one), {})
    raw = given if isinstance(given, str) else orjson.dumps(given).decode()
    return ToolCall(new_id(), name, read_arguments(raw), raw)
