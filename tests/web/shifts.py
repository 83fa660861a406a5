"""The layout shift of a page while it loads, as the browser itself measures it.

page.add_init_script(OBSERVE)
page.goto("/runs")
assert shift_of(page) <= BOUND, moved(page)
"""

from playwright.sync_api import Page

#: What Google calls good.
BOUND = 0.1
OBSERVE = """
window.shifts = [];
new PerformanceObserver((list) => {
  const name = ({ node }) => {
    const element = node?.nodeType === 1 ? node : node?.parentElement;
    if (!element) return "what is gone";
    return `${element.localName}.${element.className} ${element.getAttribute("aria-label") ?? ""}`;
  };
  const told = (one) => `${name(one)} from ${one.previousRect.top} to ${one.currentRect.top}`;
  for (const { hadRecentInput, value, startTime, sources } of list.getEntries()) {
    if (!hadRecentInput) window.shifts.push({ value, startTime, moved: sources.map(told) });
  }
}).observe({ type: "layout-shift", buffered: true });
"""
_SUM = "() => window.shifts.reduce((sum, { value }) => sum + value, 0)"
_TELL = """() => window.shifts.map(({ value, startTime, moved }) =>
  `${value.toFixed(3)} after ${startTime.toFixed(0)} ms: ${moved.join("; ")}`)"""


def shift_of(page: Page) -> float:
    """The sum of all that has moved without the user's doing."""
    return float(page.evaluate(_SUM))


def forget_shifts(page: Page) -> None:
    page.evaluate("window.shifts = []")


def moved(page: Page) -> str:
    """A line for each time that something moved: how much, when, and what from where to where."""
    return "\n".join(page.evaluate(_TELL))
