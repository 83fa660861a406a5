"""The named chat completion servers of `OPENAI_SERVERS`, a JSON object by name.

    {"groq": {"baseUrl": "https://api.groq.com/openai/v1", "key": "..."},
     "gpu": {"baseUrl": "http://10.0.0.7:8000/v1", "dialect": "deepseek"}}

The model `groq:llama-3.3-70b` is requested from the server `groq`. Keys belong in the deployment's secret,
which has an object of the same form that is merged into this one.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from msgspec import Struct

from millrace.agent.providers.chat_servers import DIALECTS
from millrace.errors import Unavailable

SETTING = "OPENAI_SERVERS"
MOST_SERVERS = 50
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_FIELDS = frozenset({"baseUrl", "key", "dialect"})


class ModelServer(Struct, frozen=True):
    """A chat completion server. `dialect` is empty if its host determines it; `key_setting` tells users where
    its key is set."""

    base_url: str
    key: str = ""
    dialect: str = ""
    key_setting: str = "OPENAI_API_KEY"


def read_servers(text: str, reserved: Collection[str] = ()) -> dict[str, ModelServer]:
    """Return the servers of the setting. `reserved` names belong to Millrace. Raises `Unavailable` that says
    what is wrong."""
    servers = _objects(text)
    if len(servers) > MOST_SERVERS:
        raise _wrong(f"must not name more than {MOST_SERVERS} servers")
    for name in servers:
        if not _NAME.fullmatch(name) or name in reserved:
            taken = " and is not one of " + ", ".join(reserved) if reserved else ""
            raise _wrong(f"has the name {name!r:.40}: a name has 1 to 32 of a-z 0-9 - after a letter{taken}")
    return {name: _server(name, given) for name, given in servers.items()}


def merged(text: str, secret: Any) -> str:
    """Return the setting with the object of the secret merged over it. Raises `Unavailable`."""
    servers = _objects(text)
    for name, given in _objects(secret).items():
        servers[name] = servers.get(name, {}) | given
    return orjson.dumps(servers).decode() if servers else ""


def _objects(given: Any) -> dict[str, dict[str, Any]]:
    if isinstance(given, str):
        try:
            given = orjson.loads(given) if given.strip() else {}
        except orjson.JSONDecodeError as error:
            raise _wrong(f"must be JSON ({error})") from error
    if not isinstance(given, Mapping) or not all(isinstance(one, Mapping) for one in given.values()):
        raise _wrong('must be a JSON object of objects: {"<name>": {"baseUrl": "https://..."}}')
    return {str(name): dict(one) for name, one in given.items()}


def _server(name: str, given: dict[str, Any]) -> ModelServer:
    if unknown := sorted(given.keys() - _FIELDS):
        raise _wrong(f"has the unknown fields {', '.join(unknown)} in {name!r}")
    fields = {field: given.get(field) or "" for field in _FIELDS}
    if not all(isinstance(value, str) for value in fields.values()):
        raise _wrong(f"must have text in every field of {name!r}")
    check_address(f"{SETTING}.{name}.baseUrl", fields["baseUrl"])
    if fields["dialect"] and fields["dialect"] not in DIALECTS:
        raise _wrong(f"has an unknown dialect in {name!r}; the dialects are {', '.join(DIALECTS)}")
    key_setting = f"the key of {name!r} in {SETTING}"
    return ModelServer(fields["baseUrl"], fields["key"].strip(), fields["dialect"], key_setting)


def check_address(name: str, address: str) -> None:
    """Raise `Unavailable` if the address of a model server is not valid."""
    try:
        url = urlsplit(address)
    except ValueError:
        url = urlsplit("")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Unavailable(f"{name} must be an http or https address.", code="not_configured")


def _wrong(what: str) -> Unavailable:
    return Unavailable(f"{SETTING} {what}.", code="not_configured")
