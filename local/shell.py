"""Variables of the caller's shell that the stack passes on."""

import importlib.util
import os
from pathlib import Path
from typing import Any

from local.app import App
from local.ministack import REGION

# Variables for the functions: the models and services to use, and their addresses.
PASSED_ON = (
    "AMPLITUDE_BASE_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "AWS_BEARER_TOKEN_BEDROCK",
    "BEDROCK_ENDPOINT_URL",
    "DEFAULT_MODEL",
    "DEFAULT_AGENT",
    "FUNCTIONS_PYTHONPATH",  # a folder whose modules take precedence, such as those of a test
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

# Variables for the template. One that the template sets itself has to be its parameter here: in functions
# that the emulator runs from queues the template's variables take precedence, and a run continued there would
# use another model server than the one that began it.
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
"""The folder with the module that limits functions to the AWS services deployed with them."""


def template_parameters(environ: Any, own_address: str, *, demo: bool = False) -> dict[str, str]:
    """Return the template's parameters on one machine; those that the shell does not set keep their defaults.

    With `demo`, new users get the agent that needs no key, or the configured model, before those in app/.
    """
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
    """Return the functions' variables that only one machine needs. Missing ones are left out."""
    given = {name: environ[name] for name in PASSED_ON if environ.get(name)}
    if app is not None:
        first = [given.get("FUNCTIONS_PYTHONPATH", ""), str(LIMITING), str(app.folder)]
        given["FUNCTIONS_PYTHONPATH"] = os.pathsep.join(filter(None, first))
    if importlib.util.find_spec("piper") is not None:  # a natural voice, if its extra is installed
        given.setdefault("SPEECH_ENGINE", "piper")
    if (
        "AWS_BEARER_TOKEN_BEDROCK" in given
    ):  # otherwise AWS_ENDPOINT_URL would send Bedrock's calls to the emulator
        region = environ.get("AWS_REGION") or REGION
        given.setdefault("BEDROCK_ENDPOINT_URL", f"https://bedrock-runtime.{region}.amazonaws.com")
    return {"ALLOW_LOOPBACK_HTTP": "true", **given}
