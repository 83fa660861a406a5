"""The engines of a deployment."""

import importlib.util
from collections.abc import Iterator
from importlib.machinery import ModuleSpec

import httpx
import pytest

from millrace.errors import InvalidRequest, NotImplementedHere
from millrace.speech.engines import NAMES, Engines, SpeechConfig
from millrace.stores.aws import Aws


@pytest.fixture
def aws() -> Iterator[Aws]:
    made = Aws("us-east-1")
    yield made
    made.close()


def engines(aws: Aws, config: SpeechConfig) -> Engines:
    def never() -> httpx.AsyncClient:
        raise AssertionError("no engine here needs a network")

    return Engines(config, aws, never)


def test_default_is_found_without_a_name_and_made_once(aws: Aws) -> None:
    found = engines(aws, SpeechConfig())
    assert found.get().name == "espeak"
    assert found.get("espeak") is found.get()


def test_unknown_engine_names_those_there_are(aws: Aws) -> None:
    with pytest.raises(InvalidRequest, match="espeak, piper, polly, openai"):
        engines(aws, SpeechConfig()).get("festival")


def test_openai_needs_a_key_but_a_server_of_ones_own_does_not(aws: Aws) -> None:
    with pytest.raises(NotImplementedHere, match="OPENAI_API_KEY"):
        engines(aws, SpeechConfig()).get("openai")
    own = SpeechConfig(openai_base_url="http://127.0.0.1:8880/v1")
    assert engines(aws, own).get("openai").name == "openai"


@pytest.mark.parametrize("name", NAMES)
def test_every_engine_names_its_missing_extra(aws: Aws, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    real = importlib.util.find_spec

    def without(module: str, package: str | None = None) -> ModuleSpec | None:
        return None if module == "sentencex" else real(module, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(NotImplementedHere, match=r"millrace\[voice\]"):
        engines(aws, SpeechConfig()).get(name)
