"""The template's functions, as tests need to know them."""

from functools import cache

from local.template import read_template
from tests.aws import TEMPLATE


@cache
def url_functions() -> list[tuple[str, bool]]:
    """(folder under functions/, whether it streams) of every function with a URL."""
    template = read_template(TEMPLATE)
    found = []
    for url in template.of_type("AWS::Lambda::Url").values():
        function = template.functions[url["TargetFunctionArn"]["Ref"]]
        found.append((function.code.name, url.get("InvokeMode") == "RESPONSE_STREAM"))
    return found
