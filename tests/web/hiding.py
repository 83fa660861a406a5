"""Background tabs: a headless browser shows all tabs, so the page is made to believe that it is hidden."""

from playwright.sync_api import Page

_SET = """state => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def hide(page: Page) -> None:
    page.evaluate(_SET, "hidden")


def show(page: Page) -> None:
    page.evaluate(_SET, "visible")
