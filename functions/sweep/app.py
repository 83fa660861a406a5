"""Every minute: timers that no queue could hold so long, and windows whose timer was lost."""

import asyncio
from typing import Any

from millrace.services.pipelines.line import Line
from millrace.services.pipelines.windows import sweep_all
from millrace.settings import Settings

line = Line.connect(Settings.from_environment())
line.warm()


def handler(event: dict[str, Any], context: object) -> dict[str, int]:
    """A tick of the schedule; tells how many timers were sent."""
    return {"timers": asyncio.run(sweep_all(line))}
