"""A session of botocore that makes clients with less CPU: a function's cold start waits for it."""

from typing import Any

import orjson
from botocore.loaders import JSONFileLoader
from botocore.session import Session, get_session


class _Models(JSONFileLoader):
    """Reads AWS's models with orjson, in a quarter of the time. Dictionaries keep their order without being
    an `OrderedDict`."""

    def load_file(self, file_path: str) -> Any:
        """See `JSONFileLoader`; models that are not there, or packed, are its own matter."""
        try:
            with open(f"{file_path}.json", "rb") as file:
                return orjson.loads(file.read())
        except FileNotFoundError:
            return super().load_file(file_path)


def make_session() -> Session:
    """A session like boto3's, without boto3: of that, nothing but the making of clients is used."""
    session = get_session()
    session.get_component("data_loader").file_loader = _Models()
    return session
