"""The imports of the deliver function's cold start."""

import subprocess
import sys

HEAVY = ("sqlalchemy", "psycopg", "pymysql", "boto3.dynamodb", "fastapi", "starlette", "mcp")


def test_databases_and_web_frameworks_are_imported_only_when_a_job_needs_them() -> None:
    script = "import sys, millrace.services.delivery.batch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()).isdisjoint(HEAVY)
