"""The template's functions, for tests."""

from functools import cache

from tests.templates import translated


@cache
def url_functions() -> list[tuple[str, bool]]:
    """Return the folder under functions/ of every function with a URL, and whether it streams."""
    template = translated()
    found = []
    for url in template.of_type("AWS::Lambda::Url").values():
        function = template.functions[url["TargetFunctionArn"]["Ref"]]
        found.append((function.code.name, url.get("InvokeMode") == "RESPONSE_STREAM"))
    return found
