"""Images and files reach the models of each framework in the framework's own types."""

from base64 import b64encode
from collections.abc import Iterator

import orjson
import pytest

from millrace.frameworks.langchain_core.messages import STATE_BYTES
from millrace.testing import Stage
from tests.agent.test_attachments import PDF, PNG
from tests.frameworks.answering import Answering
from tests.frameworks.examples import EXAMPLES

FILES = {"cat.png": PNG, "bill.pdf": PDF, "cities.csv": b"city\nKyoto\n"}


@pytest.fixture
def model() -> Iterator[Answering]:
    with Answering() as model:
        yield model


def stage_of(name: str, model: Answering) -> Stage:
    pytest.importorskip(name, reason=f"{name} is not installed")
    return Stage(EXAMPLES[name].made(f"{model.url}/v1"))


def sent(model: Answering) -> bytes:
    return orjson.dumps(model.exchanges[-1].json["messages"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_model_sees_images_and_files_in_this_run_and_the_next(name: str, model: Answering) -> None:
    stage = stage_of(name, model)
    for question, files in (("What is this?", FILES), ("And its name?", {})):
        assert stage.ask(question, files=files) == "Here it is."
        assert question.encode() in sent(model)
        assert b"data:image/png;base64," + b64encode(PNG) in sent(model)
        assert b64encode(PDF) in sent(model)
        assert b"Kyoto" in sent(model)


@pytest.mark.parametrize("name", EXAMPLES)
def test_message_without_files_is_a_text_as_before(name: str, model: Answering) -> None:
    stage_of(name, model).ask("What is this?")
    [asked] = [one for one in model.exchanges[0].json["messages"] if one["role"] == "user"]
    assert asked["content"] in ("What is this?", [{"type": "text", "text": "What is this?"}])


def test_state_of_a_graph_gets_no_more_than_it_can_hold(model: Answering) -> None:
    stage = stage_of("langchain", model)
    large = PNG + b"\0" * (STATE_BYTES // 2)
    stage.ask("What is this?", files={"one.png": large})
    assert b64encode(large[:300]) in sent(model)
    stage.ask("And this?", files={"two.png": large})
    assert sent(model).count(b64encode(large[:300])) == 1
    assert b"[image: two.png] (left out" in sent(model)
