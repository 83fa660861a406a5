import pytest

from millrace.pipelines.errors import EvaluationError, InvalidExpression
from millrace.pipelines.event import Event
from millrace.pipelines.expressions.template import compile_template, escape_slack

EVENT = Event({}, "e1")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Agent {{agentName}} completed with {{tokens}} tokens", "Agent Ada completed with 42 tokens"),
        ("no expression", "no expression"),
        ("", ""),
        ("{{missing}}|{{ null }}", "|"),
        ("{{ '}}' }}{{upper('a')}}", "}}A"),
        ("{{ '\\'}}' }}", "'}}"),
        ("{ {a} } }}", "{ {a} } }}"),
        ("{{list}}", '[1,{"a":true}]'),
        ("{{$meta.id}}", "e1"),
    ],
)
def test_template_prints_its_expressions(source: str, expected: str) -> None:
    payload = {"agentName": "Ada", "tokens": 42, "list": [1, {"a": True}]}
    assert compile_template(source).render(payload, EVENT) == expected


def test_slack_text_is_escaped_in_values_only() -> None:
    template = compile_template("<b>{{name}}</b>")
    assert template.render({"name": "<!channel> & co"}, EVENT, escape_slack) == (
        "<b>&lt;!channel&gt; &amp; co</b>"
    )


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [
        ("{{a", 1, 1),
        ("ok {{ 1 + }}", 1, 11),
        ("a\n{{b}}\nc {{ #x }}", 3, 6),
        ("{{#each a}}", 1, 3),
        ("{{}}", 1, 3),
    ],
)
def test_mistake_is_shown_where_it_is_in_the_template(source: str, line: int, column: int) -> None:
    with pytest.raises(InvalidExpression) as caught:
        compile_template(source)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_template_has_limits() -> None:
    with pytest.raises(InvalidExpression):
        compile_template("x" * 16_001)
    with pytest.raises(InvalidExpression):
        compile_template("{{a}}" * 1_000)
    with pytest.raises(EvaluationError):
        compile_template("{{a}}{{a}}").render({"a": "x" * 200_000}, EVENT)
