"""CloudFormation's YAML, by libyaml where it is there: SAM's own parser takes five times as long."""

from typing import Any

import yaml
from samtranslator.yaml_helper import intrinsics_multi_constructor


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A loader that knows `!Ref`, `!Sub` and their kind."""


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)


def parse_template(text: str) -> Any:
    """Return what a template says. Raises `yaml.YAMLError`."""
    return yaml.load(text, Loader=_Loader)
