"""Tests of agents and tools in milliseconds: a scripted model, everything in memory, and simulated process
losses.

    from millrace.testing import Stage, calls, says
    from shop.tools import order_status

    def test_support_looks_the_order_up():
        stage = Stage({"name": "Support"}, tools=[order_status], user="ann")
        stage.model(calls("order_status", order="A-1"), says("It was sent."))
        stage.ask("Where is A-1?")
        assert stage.text == "It was sent."
        stage.assert_events("tool_call:order_status", "tool_result", "token")

The loop, the toolbox, the approval rules and the events are the deployed ones. See docs/testing.md.
"""

from millrace.testing.clock import FrozenClock
from millrace.testing.control import ProcessLost
from millrace.testing.memory import MemorySecrets, UserMemories
from millrace.testing.script import Script, calls, fails, says, thinks
from millrace.testing.stage import Stage

__all__ = [
    "FrozenClock",
    "MemorySecrets",
    "ProcessLost",
    "Script",
    "Stage",
    "UserMemories",
    "calls",
    "fails",
    "says",
    "thinks",
]
