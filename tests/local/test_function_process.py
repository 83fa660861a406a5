"""Command lines and variables of function processes."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from local.deploy import Function
from local.function_process import FunctionProcessError, command, variables
from local.shell import PARAMETERS, PASSED_ON, function_variables, template_parameters
from local.stack import ROOT
from local.template import FunctionSource, read_template
from tests.local.test_environments import NOWHERE, a_function

WRAPPER = {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/bin/wrapper"}


def with_layer(layer: Path, **environment: str) -> Function:
    function = a_function("waiting")
    source = FunctionSource("AFunction", function.source.code, (layer,), ())
    return replace(function, source=source, environment=environment)


def test_function_runs_under_awss_runtime_interface_client() -> None:
    assert command(a_function("waiting")) == [sys.executable, "-m", "awslambdaric", "app.handler"]


def test_exec_wrapper_is_found_in_its_layer(tmp_path: Path) -> None:
    wrapper = tmp_path / "bin" / "wrapper"
    wrapper.parent.mkdir()
    wrapper.write_text("#!/bin/sh\n")
    with pytest.raises(FunctionProcessError, match=r"no layer has the executable /opt/bin/wrapper"):
        command(with_layer(tmp_path, **WRAPPER))
    wrapper.chmod(0o755)
    assert command(with_layer(tmp_path, **WRAPPER))[0] == str(wrapper)


def test_layers_are_imported_as_from_opt_python(tmp_path: Path) -> None:
    assert variables(with_layer(tmp_path), NOWHERE, "x:1", {})["PYTHONPATH"] == str(tmp_path)
    (tmp_path / "python").mkdir()
    assert variables(with_layer(tmp_path), NOWHERE, "x:1", {})["PYTHONPATH"] == str(tmp_path / "python")


def test_reserved_variables_win_and_given_ones_beat_the_templates(tmp_path: Path) -> None:
    function = with_layer(tmp_path, AWS_REGION="elsewhere", MODEL="template", KEPT="template")
    seen = variables(function, NOWHERE, "127.0.0.1:9001", {"MODEL": "given", "KEPT": ""})
    assert (seen["AWS_REGION"], seen["MODEL"], seen["KEPT"]) == ("us-east-1", "given", "template")
    assert seen["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"


def test_shells_model_variables_are_passed_on_and_nothing_else() -> None:
    seen = function_variables({"OPENAI_API_KEY": "k", "SECRET": "s", "DEFAULT_MODEL": ""})
    assert seen == {"ALLOW_LOOPBACK_HTTP": "true", "OPENAI_API_KEY": "k", "SPEECH_ENGINE": "piper"}


def test_variables_that_the_template_sets_are_given_as_its_parameters() -> None:
    """The template's own variables win over the shell's in functions that the emulator runs."""
    own = "http://127.0.0.1:8080"
    seen = template_parameters({"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1", "DEFAULT_MODEL": ""}, own)
    assert seen["OpenAiBaseUrl"] == "http://127.0.0.1:11434/v1"
    assert "DefaultModel" not in seen
    assert read_template(ROOT / "template.yaml", "us-east-1").parameters >= {*PARAMETERS, *seen}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "demo"),
        ({"DEFAULT_MODEL": "openai:gpt-5.4-mini"}, "assistant"),
        ({"DEFAULT_AGENT": "shop"}, "shop"),
    ],
)
def test_demo_begins_with_the_agent_that_works_at_once(given: dict[str, str], expected: str) -> None:
    seen = template_parameters(given, "http://127.0.0.1:8080", demo=True)
    assert seen["DefaultAgent"] == expected
    assert template_parameters(given, "http://127.0.0.1:8080").get("DefaultAgent") == given.get(
        "DEFAULT_AGENT"
    )


def test_every_variable_of_the_shell_that_the_template_sets_has_a_parameter() -> None:
    set_by_template = set(re.findall(r"^ {8}([A-Z_]+): !Ref", (ROOT / "template.yaml").read_text(), re.M))
    assert set(PASSED_ON) & set_by_template <= set(PARAMETERS.values())


def test_natural_voice_is_chosen_unless_another_is_named() -> None:
    assert function_variables({"SPEECH_ENGINE": "espeak"})["SPEECH_ENGINE"] == "espeak"


def test_bedrock_with_a_key_is_the_real_one() -> None:
    seen = function_variables({"AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_REGION": "eu-west-1"})
    assert seen["BEDROCK_ENDPOINT_URL"] == "https://bedrock-runtime.eu-west-1.amazonaws.com"
