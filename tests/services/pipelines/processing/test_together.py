"""A batch before a database on the emulated AWS: its items are delivered as events, in one job."""

import httpx

from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import WEBHOOK, made

BATCH = {"type": "batch", "config": {"size": 3, "timeout": 60_000}}
TABLE = {"type": "database", "config": {"table": "t", "connection": "postgresql://u:p@db.example/x"}}


def test_batch_before_a_database_is_delivered_as_its_items(streaming: httpx.Client, plant: Plant) -> None:
    pipeline = made(streaming, BATCH, destination=None, destinations=[TABLE, WEBHOOK])
    items = [{"payload": {"n": n}, "id": f"e{n}", "type": "sold", "time": 1_000 + n} for n in range(3)]
    assert streaming.post(f"/pipelines/{pipeline}/batch", json=items).status_code == 202
    plant.transform()
    plant.close()
    jobs = {job["destination"]: job["events"] for job in plant.deliveries()}
    assert [(one["id"], one["type"], one["time"], one["payload"]) for one in jobs[0]] == [
        (f"e{n}", "sold", 1_000 + n, {"n": n}) for n in range(3)
    ]
    (whole,) = jobs[1]
    assert (whole["payload"]["count"], len(whole["payload"]["items"])) == (3, 3)
