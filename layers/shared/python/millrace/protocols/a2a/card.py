"""The agent card, which describes one of our agents to A2A clients."""

import hashlib
from typing import Any

import orjson
from a2a.types.a2a_pb2 import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    HTTPAuthSecurityScheme,
    OpenIdConnectSecurityScheme,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)
from google.protobuf.json_format import MessageToDict

from millrace.domain.agents import Agent
from millrace.protocols.a2a.messages import INPUT_MODES, OUTPUT_MODES

VERSION = "1.0"
BINDINGS = ("JSONRPC", "HTTP+JSON")
BEARER, OIDC = "bearer", "oidc"


def agent_card(
    agent: Agent,
    url: str,
    version: str,
    issuer: str = "",
    skills: list[AgentSkill] | None = None,
    *,
    pushes: bool = False,
) -> dict[str, Any]:
    """Return the card of an agent whose interfaces are at `url`. `issuer` is the issuer of the tokens.
    Without `skills` the card says what the agent is for, but not which tools it has. `pushes` says whether
    the deployment pushes updates."""
    schemes = {BEARER: _bearer()} | ({OIDC: _oidc(issuer)} if issuer else {})
    card = AgentCard(
        name=agent.name,
        description=agent.description or f"The agent {agent.name}.",
        version=version,
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding=binding, protocol_version=VERSION)
            for binding in BINDINGS
        ],
        capabilities=AgentCapabilities(streaming=True, push_notifications=pushes, extended_agent_card=True),
        security_schemes=schemes,
        security_requirements=[SecurityRequirement(schemes={name: StringList()}) for name in schemes],
        default_input_modes=INPUT_MODES,
        default_output_modes=OUTPUT_MODES,
        skills=skills or [own_skill(agent)],
    )
    found: dict[str, Any] = MessageToDict(card)
    return found


def own_skill(agent: Agent) -> AgentSkill:
    """Return the agent itself as a skill, since an agent without tools can talk."""
    return AgentSkill(
        id=agent.id, name=agent.name, description=agent.description or agent.name, tags=["chat"]
    )


def tool_skill(name: str, description: str) -> AgentSkill:
    """Return a tool of the agent as a skill."""
    return AgentSkill(id=name, name=name.replace("_", " "), description=description or name, tags=["tool"])


def etag_of(card: dict[str, Any]) -> str:
    """Return the entity tag of a card, which depends only on the card."""
    digest = hashlib.sha256(orjson.dumps(card, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f'"{digest[:32]}"'


def _bearer() -> SecurityScheme:
    about = "A token of the deployment's issuer that names the organization"
    http = HTTPAuthSecurityScheme(scheme="Bearer", bearer_format="JWT", description=about)
    return SecurityScheme(http_auth_security_scheme=http)


def _oidc(issuer: str) -> SecurityScheme:
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    return SecurityScheme(
        open_id_connect_security_scheme=OpenIdConnectSecurityScheme(open_id_connect_url=url)
    )
