"""Helpers to read the audit log."""

import asyncio

from millrace.services.runs.platform import Platform
from millrace.stores.audit import AuditFilter

Entry = tuple[str, dict[str, str], int | None]
"""The action, what it was about, and the status of its answer."""


def acts(platform: Platform, organization: str) -> list[Entry]:
    """Return the entries of acts, the earliest first."""
    found, _ = asyncio.run(platform.stores.audit.page(organization, AuditFilter(kind="act"), 100, None))
    return [(one.action, dict(one.target), one.status) for one in reversed(found)]
