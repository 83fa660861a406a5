"""The template's functions, for tests."""

from functools import cache

from tests.templates import translated


@cache
def url_functions() -> list[tuple[str, bool]]:
    """(folder under functions/, whether it streams) of every function with a URL."""
    template = translated()
    found = []
    for url in template.of_type("AWS::Lambda::Url").values():
        function = template.functions[url["TargetFunctionArn"]["Ref"]]
        found.append((function.code.name, url.get("InvokeMode") == "RESPONSE_STREAM"))
    return found
