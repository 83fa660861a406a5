"""Schemas of other protocols: what is ours to say of them. The rest is in their own documents."""

from pydantic import ConfigDict

from millrace.api.schemas.base import Shape
from millrace.protocols.ag_ui.requests import AgUiRunInput

__all__ = ["AgUiEvent", "AgUiRunInput"]


class AgUiEvent(Shape):
    """An event of AG-UI 1.0 (https://docs.ag-ui.com)."""

    model_config = ConfigDict(extra="allow")

    type: str
