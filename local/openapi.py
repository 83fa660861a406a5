"""`make openapi`: prints the OpenAPI document of the whole platform."""

import json

from millrace.api.management_app import create_app, document
from millrace.services.runs.platform import Platform
from millrace.settings import Settings


def main() -> None:
    """Print the document. This makes no AWS calls."""
    settings = Settings(region="us-east-1")
    platform = Platform.make(settings)
    print(json.dumps(document(settings, platform, create_app(settings, platform)), indent=2))


if __name__ == "__main__":
    main()
