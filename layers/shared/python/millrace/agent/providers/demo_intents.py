"""Intents of messages to the demo agent: the built-in tools that a message asks for, with their arguments.
Found by rules, without a model."""

import re
from typing import Any

Intent = tuple[str, dict[str, Any]]

_URL = re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]")
_ZONE = re.compile(
    r"\b(?:Africa|America|Antarctica|Asia|Atlantic|Australia|Europe|Indian|Pacific)/[A-Za-z_/]+"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SUM = re.compile(r"[-(]{0,8}\d[\d.]*(?:[\s()]{0,8}(?:\*\*|[-+*/%])[\s(]{0,8}-?\d[\d.]*\){0,8})+")
_SEARCH = re.compile(
    r"(?:search|find|look)\b.{0,60}?\bconversations?\b.{0,20}?\b(?:for|about|on|with)\s+(.+)"
    r"|(?:did|have) (?:we|i) (?:ever )?(?:talk|talked|speak|spoken|write|written)\w* (?:about|of)\s+(.+)"
    r"|what did (?:we|i) say (?:about|on)\s+(.+)",
    re.IGNORECASE,
)
_SPOKEN = (
    (re.compile(r"(\d)\s*(?:times|multiplied by|x|×)\s*(?=[\d(])", re.IGNORECASE), r"\1 * "),
    (re.compile(r"(\d)\s*(?:divided by|over|÷)\s*(?=[\d(])", re.IGNORECASE), r"\1 / "),
    (re.compile(r"(\d)\s*plus\s*(?=[\d(])", re.IGNORECASE), r"\1 + "),
    (re.compile(r"(\d)\s*(?:minus|−)\s*(?=[\d(])", re.IGNORECASE), r"\1 - "),
    (re.compile(r"(\d[\d.]*)\s*(?:%|percent) of\s*(?=[\d(])", re.IGNORECASE), r"\1 / 100 * "),
    (re.compile(r"(\d)\s*\^\s*(?=[\d(])"), r"\1 ** "),
    (re.compile(r"(?<=\d),(?=\d{3}\b)"), ""),
)
_CITIES = {
    "amsterdam": "Europe/Amsterdam",
    "athens": "Europe/Athens",
    "auckland": "Pacific/Auckland",
    "bangalore": "Asia/Kolkata",
    "beijing": "Asia/Shanghai",
    "berlin": "Europe/Berlin",
    "cairo": "Africa/Cairo",
    "chicago": "America/Chicago",
    "delhi": "Asia/Kolkata",
    "denver": "America/Denver",
    "dubai": "Asia/Dubai",
    "dublin": "Europe/Dublin",
    "hong kong": "Asia/Hong_Kong",
    "istanbul": "Europe/Istanbul",
    "jakarta": "Asia/Jakarta",
    "johannesburg": "Africa/Johannesburg",
    "lagos": "Africa/Lagos",
    "lisbon": "Europe/Lisbon",
    "london": "Europe/London",
    "los angeles": "America/Los_Angeles",
    "madrid": "Europe/Madrid",
    "mexico city": "America/Mexico_City",
    "moscow": "Europe/Moscow",
    "mumbai": "Asia/Kolkata",
    "nairobi": "Africa/Nairobi",
    "new york": "America/New_York",
    "oslo": "Europe/Oslo",
    "paris": "Europe/Paris",
    "rome": "Europe/Rome",
    "san francisco": "America/Los_Angeles",
    "sao paulo": "America/Sao_Paulo",
    "são paulo": "America/Sao_Paulo",
    "seattle": "America/Los_Angeles",
    "seoul": "Asia/Seoul",
    "shanghai": "Asia/Shanghai",
    "singapore": "Asia/Singapore",
    "stockholm": "Europe/Stockholm",
    "sydney": "Australia/Sydney",
    "tokyo": "Asia/Tokyo",
    "toronto": "America/Toronto",
    "vienna": "Europe/Vienna",
    "warsaw": "Europe/Warsaw",
    "zurich": "Europe/Zurich",
}
_CITY = re.compile(rf"\b(?:{'|'.join(_CITIES)})\b")
_LIMIT = 4
# Longer texts are searched only up to this length; nobody types more.
_READ = 4_000


def find_intents(text: str) -> list[Intent]:
    """Return the tools that a text asks for, each once, at most four of a kind."""
    text = text[:_READ]
    plain = _URL.sub(" ", text)
    found = [("http_fetch", {"url": url}) for url in _URL.findall(text)[:_LIMIT]]
    found += [("calculator", {"expression": expression}) for expression in _sums(plain)[:_LIMIT]]
    found += [("current_time", {"timezone": zone}) for zone in _zones(plain)[:_LIMIT]]
    found += [("search_conversations", {"query": query}) for query in _searches(plain)[:1]]
    return [intent for number, intent in enumerate(found) if intent not in found[:number]]


def _sums(text: str) -> list[str]:
    text = _DATE.sub(" ", text)
    for spoken, written in _SPOKEN:
        text = spoken.sub(written, text)
    return [found for match in _SUM.finditer(text) if (found := _balanced(match.group()))]


def _balanced(expression: str) -> str:
    """Return the expression without unbalanced parentheses at its ends."""
    while expression.count("(") > expression.count(")") and expression.startswith("("):
        expression = expression[1:]
    while expression.count(")") > expression.count("(") and expression.endswith(")"):
        expression = expression[:-1]
    return " ".join(expression.rstrip(".").split()) if expression.count("(") == expression.count(")") else ""


def _zones(text: str) -> list[str]:
    lower = text.lower()
    if not re.search(r"\btime\b|\bclock\b|\bo'clock\b|\bwhat day\b|\bdate\b", lower):
        return []
    named = _ZONE.findall(text) + [_CITIES[city] for city in _CITY.findall(lower)]
    asks = re.search(r"what(?:'s| is)? (?:the )?(?:current )?(?:time|date|day)|\btime is it\b", lower)
    return named or (["UTC"] if asks else [])


def _searches(text: str) -> list[str]:
    match = _SEARCH.search(text)
    query = next(filter(None, match.groups()), "") if match else ""
    return [query.strip(" ?.!\"'")[:200]] if query.strip(" ?.!\"'") else []
