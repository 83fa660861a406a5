"""CloudFormation's YAML, parsed with libyaml if available: SAM's own parser takes five times as long."""

from typing import Any

import yaml
from samtranslator.yaml_helper import intrinsics_multi_constructor


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A loader for `!Ref`, `!Sub` and the like."""


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)


def parse_template(text: str) -> Any:
    """Parse a template. Raises `yaml.YAMLError`."""
    return yaml.load(text, Loader=_Loader)
