"""Variables of the caller's shell that the stack passes on."""

import importlib.util
import os
from pathlib import Path
from typing import Any

from local.app import App
from local.ministack import REGION

# Of the caller's shell, for the functions: whose models and services to use, and where.
PASSED_ON = (
    "AMPLITUDE_BASE_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "AWS_BEARER_TOKEN_BEDROCK",
    "BEDROCK_ENDPOINT_URL",
    "DEFAULT_MODEL",
    "DEFAULT_AGENT",
    "FUNCTIONS_PYTHONPATH",  # a folder whose modules come first, as those of a test do
    "LOG_LEVEL",
    "MIXPANEL_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_SERVERS",
    "PIPER_VOICES",
    "SEGMENT_BASE_URL",
    "SPEECH_BASE_URL",
    "SPEECH_ENGINE",
    "SPEECH_MODEL",
)

# Of the caller's shell, for the template. A variable that the template sets itself is its parameter here: in
# functions that the emulator runs from queues the template's variables win, and a run that is continued there
# would ask another model server than the one that began it.
PARAMETERS = {
    "ConformanceAgent": "CONFORMANCE_AGENT",
    "DefaultAgent": "DEFAULT_AGENT",
    "DefaultModel": "DEFAULT_MODEL",
    "OpenAiBaseUrl": "OPENAI_BASE_URL",
    "OpenAiServers": "OPENAI_SERVERS",
    "OtlpEndpoint": "OTLP_ENDPOINT",
    "OtlpTexts": "OTLP_TEXTS",
}


LIMITING = Path(__file__).resolve().parent / "deployed"
"""The folder with the module that keeps functions to the AWS services that are deployed with them."""


def template_parameters(environ: Any, own_address: str, *, demo: bool = False) -> dict[str, str]:
    """The template's parameters on one machine; those that the shell does not set keep their defaults. With
    `demo`, a newcomer meets the agent that needs no key, or the model that is named, and not app/ first."""
    given = {name: environ[variable] for name, variable in PARAMETERS.items() if environ.get(variable)}
    own = {
        "OidcJwksUrl": f"{own_address}/_local/jwks.json",
        "PublicUrl": own_address,
        "PushNotifications": "true",
        "Website": "none",
    }
    if demo:
        own["DefaultAgent"] = "assistant" if given.get("DefaultModel") else "demo"
    return {**own, **given}


def function_variables(environ: Any, app: App | None = None) -> dict[str, str]:
    """The functions' variables that only one machine needs. Raises nothing: what is not given is left out."""
    given = {name: environ[name] for name in PASSED_ON if environ.get(name)}
    if app is not None:
        first = [given.get("FUNCTIONS_PYTHONPATH", ""), str(LIMITING), str(app.folder)]
        given["FUNCTIONS_PYTHONPATH"] = os.pathsep.join(filter(None, first))
    if importlib.util.find_spec("piper") is not None:  # a natural voice, where its extra is installed
        given.setdefault("SPEECH_ENGINE", "piper")
    if (
        "AWS_BEARER_TOKEN_BEDROCK" in given
    ):  # else AWS_ENDPOINT_URL would send Bedrock's calls to the emulator
        region = environ.get("AWS_REGION") or REGION
        given.setdefault("BEDROCK_ENDPOINT_URL", f"https://bedrock-runtime.{region}.amazonaws.com")
    return {"ALLOW_LOOPBACK_HTTP": "true", **given}
