"""YAML and JSON: values with the line of each part, and values as text.

YAML is read with JSON's types, as version 1.2 defines them: `yes`, `on` and dates are texts, as is `010`.
Parsers of YAML 1.1 read our output as the same values.
"""

import json
import re
from typing import Any

import yaml

from millrace.cli.configuration.errors import Path, Place, Problem

MOST_NODES = 200_000
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"[-+]?0[0-9]+")
_TEXT = "tag:yaml.org,2002:str"


class TextError(Exception):
    """A text that is not YAML or JSON, with its line if known."""

    def __init__(self, message: str, line: int | None, path: Path = ()) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.path = path

    def problem(self, file: str) -> Problem:
        """Return the mistake in this file."""
        lines = {} if self.line is None else {self.path: self.line}
        return Problem(Place(file, lines), self.path, self.message)


def read_text(text: str) -> tuple[Any, dict[Path, int]]:
    """Return the value of a text, and the line of each of its parts. Raises `TextError`."""
    try:
        # JSON may be indented with tabs, which YAML does not allow. JSON strings contain tabs only as
        # escapes.
        node = yaml.compose(text.replace("\t", "    ") if _is_json(text) else text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise TextError(f"not YAML: {error.problem}", mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise TextError(f"not YAML: {str(error).splitlines()[0]}", None) from error
    if node is None:
        return None, {}
    reader = _Reader()
    value = reader.value(node, ())
    return (json.loads(text) if _is_json(text) else value), reader.lines


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


class _Reader:
    """Converts nodes to values."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self._nodes = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._nodes += 1
        # Aliases may refer to an enclosing node, or multiply their contents again and again.
        if self._nodes > MOST_NODES or len(path) > 100:
            raise TextError("the file is too large, or nested too deeply", line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one, (*path, at)) for at, one in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, inner in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise TextError("a key must be a string", line, path)
            if name in found:
                raise TextError(f"{name!r} is a duplicate key", line, (*path, name))
            self.lines[*path, name] = line
            found[name] = self.value(inner, (*path, name))
        return found


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style or node.tag == _TEXT:  # quoted, a block, or tagged
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _OCTAL.fullmatch(text):
        return text
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Dumper(yaml.SafeDumper):
    """Quotes texts that either version of YAML would read as another type."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    ambiguous = any(known.fullmatch(text) for known in (_NULL, _BOOL, _INT, _FLOAT))
    lines = text.split("\n")
    odd = not all(line.isprintable() for line in lines)
    # A block keeps lines readable, but cannot contain trailing spaces.
    block = len(lines) > 1 and not odd and all(line == line.rstrip() for line in lines)
    style = "|" if block and not text.startswith((" ", "\n")) else '"' if ambiguous or odd else None
    return dumper.represent_scalar(_TEXT, text, style=style)


_Dumper.add_representer(str, _text_node)


def write_text(value: Any) -> str:
    """Return a value as YAML."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
