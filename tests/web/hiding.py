"""A tab in the background: a headless browser shows them all, so that the page is told."""

from playwright.sync_api import Page

_TELL = """state => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def hide(page: Page) -> None:
    page.evaluate(_TELL, "hidden")


def show(page: Page) -> None:
    page.evaluate(_TELL, "visible")
