"""A botocore session that creates clients with less CPU, because a cold start waits for it."""

from typing import Any

import orjson
from botocore.loaders import JSONFileLoader
from botocore.session import Session, get_session


class _Models(JSONFileLoader):
    """Read AWS's models with orjson in a quarter of the time.

    Plain dictionaries replace `OrderedDict`, as they keep their order too.
    """

    def load_file(self, file_path: str) -> Any:
        """See `JSONFileLoader`, which handles models that are missing or compressed."""
        try:
            with open(f"{file_path}.json", "rb") as file:
                return orjson.loads(file.read())
        except FileNotFoundError:
            return super().load_file(file_path)


def make_session() -> Session:
    """Return a session like boto3's, without importing boto3: only client creation is needed."""
    session = get_session()
    session.get_component("data_loader").file_loader = _Models()
    return session
