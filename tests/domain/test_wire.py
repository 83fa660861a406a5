"""Defaults of models, which are not validated at import, are valid."""

import pytest

from millrace.domain.agents import BUILTIN_AGENTS, AgentLimits, ToolUse
from millrace.domain.approvals import OWNER
from millrace.domain.limits import AllLimits, Control, LevelLimits, OrganizationLimits, UserLimits
from millrace.domain.wire import WireModel

KNOWN: list[WireModel] = [
    *BUILTIN_AGENTS.values(),
    *(
        model.known()
        for model in (AgentLimits, AllLimits, Control, LevelLimits, OrganizationLimits, UserLimits)
    ),
    OWNER,
    ToolUse.known(name="calculator"),
]


@pytest.mark.parametrize(
    "known", KNOWN, ids=lambda known: f"{type(known).__name__}-{getattr(known, 'id', '')}"
)
def test_values_known_to_the_code_are_as_if_they_were_checked(known: WireModel) -> None:
    checked = type(known)(**{name: getattr(known, name) for name in known.model_fields_set})
    assert checked == known
    assert checked.to_wire() == known.to_wire()
