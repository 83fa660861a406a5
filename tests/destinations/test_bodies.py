from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.destinations.bodies import body_of
from millrace.destinations.results import Unsendable
from tests.destinations.sending import event

JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner, max_size=3),
    max_leaves=6,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(JSON, TEXT)
def test_values_do_not_change_the_structure_of_a_json_body(value: Any, said: str) -> None:
    template = r'{"v": {{v}}, "t": "a\"{{t}}\\", "l": [{{t}}, "{{t}}"]}'
    body = body_of(template, "application/json")
    made = orjson.loads(body(event(v=value, t=said)))
    assert made == {"v": value, "t": f'a"{said}\\', "l": [said, said]}


def test_body_is_the_payload_without_a_template() -> None:
    assert orjson.loads(body_of(None, "application/json")(event(a=[1], b=None))) == {"a": [1], "b": None}


@pytest.mark.parametrize("template", ['{"a": {{a}}', '{"a": "{{a}}}', "a={{a}}", "{{a}} {{a}}"])
def test_template_that_is_no_json_says_so(template: str) -> None:
    body = body_of(template, "application/json; charset=utf-8")
    with pytest.raises(Unsendable) as error:
        body(event(a=1))
    assert error.value.code == "not_json"


def test_event_that_is_not_json_cannot_be_sent() -> None:
    with pytest.raises(Unsendable):
        body_of(None, "application/json")(event(a=2**70))
