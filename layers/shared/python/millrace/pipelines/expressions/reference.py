"""The reference of the expression language, made from the table of functions."""

import orjson

from millrace.pipelines import limits
from millrace.pipelines.expressions.functions import FUNCTIONS, Function

_HEAD = """\
<!-- Made by `python -m millrace.pipelines functions > docs/pipelines/expressions.md`; do not edit. -->
# Expressions

A small language for values in `map`, `when` guards and `{{templates}}`. It has no loops and cannot change
anything; an expression always ends, and gives the same for the same event.

In a `map` a text is always an expression, so a literal text has quotes of its own: `'"agent_completion"'`.
Numbers, booleans and null stand for themselves; objects and lists nest.

| Written | Means |
|---|---|
| `user.name`, `items[0].price` | a field of the event; a missing one is null |
| `$event["first-name"]` | a field whose name is no word; `$event` is the whole event |
| `$meta.id` | id, type, source, time (epoch ms), sequence (of a row's changes), pipelineId, window |
| `"text"` or `'text'`, `1.5`, `true`, `null`, `[1, 2]` | literals; `\\n \\t \\" \\\\ \\uXXXX` in texts |

Operators, those that bind least first:

| Operator | Means |
|---|---|
| `a ? b : c` | b if a is true, else c |
| `a ?? b` | a, or b where a is null |
| `a \\|\\| b`, then `a && b` | only true is true; gives true or false |
| `== !=` | strict: `true != 1`, `"1" != 1`; lists and objects by their contents |
| `< <= > >=`, `in` | numbers with numbers, texts with texts, else false; member, field or substring |
| `+ -` | `+` joins if either side is a text |
| `* / %` | `6 / 3` is 2, `7 / 2` is 3.5; dividing by zero is null |
| `-a`, `!a` | `!a` is true unless a is true |
| `a.b`, `a[b]`, `f(a)` | a field, an item, a function |

Null goes through `.`, `[]`, arithmetic and one-argument functions. What has no meaning, such as `true + 1` or
`upper(5)`, fails; the step's `onError` says what becomes of the event: `dlq` (the default), `drop` or `null`.

Limits: {characters:,} characters, {nodes} parts, {depth} levels, results of {text:,} characters and
{items:,} items, patterns of {pattern:,} characters (RE2: no look-around, no back references).

## Functions
"""


def functions_page() -> str:
    """docs/pipelines/expressions.md."""
    head = _HEAD
    for name, value in _LIMITS.items():
        head = head.replace("{" + name + ":,}", f"{value:,}").replace("{" + name + "}", str(value))
    parts = [_function(name, function) for name, function in sorted(FUNCTIONS.items())]
    return head + "\n" + "\n".join(parts)


_LIMITS = {
    "characters": limits.SOURCE_CHARACTERS,
    "nodes": limits.NODES,
    "depth": limits.DEPTH,
    "text": limits.STRING_CHARACTERS,
    "items": limits.LIST_ITEMS,
    "pattern": limits.PATTERN_CHARACTERS,
}


def _function(name: str, function: Function) -> str:
    examples = [f"- `{source}` gives `{orjson.dumps(value).decode()}`" for source, value in function.examples]
    return "\n".join([f"### {name} ({_arguments(function)})", "", function.summary, "", *examples, ""])


def _arguments(function: Function) -> str:
    if function.fewest == function.most:
        return {0: "no argument", 1: "1 argument"}.get(function.most, f"{function.most} arguments")
    most = "more" if function.most >= limits.NODES else str(function.most)
    return f"{function.fewest} {'or' if most == 'more' else 'to'} {most} arguments"
