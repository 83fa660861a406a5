"""The conversation function's app under uvicorn, as `python -m millrace.serve` runs it."""

import os

from millrace.startup import starting

with starting():
    import uvicorn

    from app import app

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
