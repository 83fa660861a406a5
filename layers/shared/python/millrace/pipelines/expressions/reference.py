"""The reference of the expression language, generated from the table of functions."""

import orjson

from millrace.pipelines import limits
from millrace.pipelines.expressions.functions import FUNCTIONS, Function

_HEAD = """\
<!-- Made by `python -m millrace.pipelines functions > docs/pipelines/expressions.md`; do not edit. -->
# Expressions

Expressions compute values in `map`, in `when` guards and in `{{templates}}`. The language has no loops and
cannot change anything. An expression always ends, and always gives the same result for the same event.

In a `map`, a text is always an expression, so a literal text needs its own quotes: `'"agent_completion"'`.
Numbers, booleans and null stand for themselves, and objects and lists can be nested.

| Written | Means |
|---|---|
| `user.name`, `items[0].price` | a field of the event; null if it does not exist |
| `$event["first-name"]` | a field whose name is not a word; `$event` is the whole event |
| `$meta.id` | also type, source, time (epoch ms), sequence (of a row's changes), pipelineId, window |
| `"text"` or `'text'`, `1.5`, `true`, `null`, `[1, 2]` | literals; in texts also `\\n \\t \\" \\\\ \\uXXXX` |

The operators, from the one that binds least to the one that binds most:

| Operator | Means |
|---|---|
| `a ? b : c` | b if a is true, else c |
| `a ?? b` | a, or b if a is null |
| `a \\|\\| b`, then `a && b` | true or false; only true counts as true |
| `== !=` | strict: `true != 1`, `"1" != 1`; lists and objects are compared by their contents |
| `< <= > >=`, `in` | numbers with numbers, texts with texts, else false; `in`: member, field or substring |
| `+ -` | `+` joins texts if either side is a text |
| `* / %` | `6 / 3` is 2 and `7 / 2` is 3.5; division by zero gives null |
| `-a`, `!a` | `!a` is true unless a is true |
| `a.b`, `a[b]`, `f(a)` | a field, an item, a function |

Null passes through `.`, `[]`, arithmetic and functions with one argument. An expression that has no meaning,
such as `true + 1` or `upper(5)`, fails. The step's `onError` decides what happens to the event: `dlq` (the
default), `drop` or `null`.

An expression has at most {characters:,} characters, {nodes} parts and {depth} levels. Its result has at most
{text:,} characters and {items:,} items, and a pattern has at most {pattern:,} characters (RE2: no
look-around, no backreferences).

## Functions
"""


def functions_page() -> str:
    """Return docs/pipelines/expressions.md."""
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
