"""Tools of an imaginary shop."""

from typing import TypedDict

from millrace.app import ToolContext, ToolError, tool


class Order(TypedDict):
    """An order, and what it cost in euros."""

    state: str
    total: float


ORDERS: dict[str, Order] = {
    "A-1001": {"state": "on its way, and should be there tomorrow", "total": 79.0},
    "A-1002": {"state": "being packed", "total": 24.5},
}


@tool(name="demo_order_status", repeat="safe")
def order_status(order: str, context: ToolContext) -> str:
    """Tell where an order of the demo shop is.

    Args:
        order: Its number, such as A-1001.
    """
    context.log.debug("%s asks for %s", context.user.id, order)
    return f"The order {order} is {_find(order)['state']}."


@tool(name="demo_refund", policy="ask")
def refund(order: str) -> str:
    """Refund an order of the demo shop after a person has approved it.

    Args:
        order: Its number, such as A-1001.
    """
    return f"Refunded {_find(order)['total']:.2f} EUR for the order {order}."


def _find(order: str) -> Order:
    if order not in ORDERS:
        raise ToolError(f"There is no order {order}. The demo shop has {', '.join(ORDERS)}.")
    return ORDERS[order]
