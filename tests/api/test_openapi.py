"""The OpenAPI document: a snapshot that changes only on purpose (`make openapi` writes it)."""

import json
from pathlib import Path

import httpx

SNAPSHOT = Path(__file__).parent.parent.parent / "docs" / "openapi.json"


def test_document_is_the_snapshot(management: httpx.Client) -> None:
    found = management.get("/api/openapi.json").json()
    assert found == json.loads(SNAPSHOT.read_text()), "the API changed: run `make openapi`"


def test_every_operation_has_a_summary_and_an_id_of_its_own(management: httpx.Client) -> None:
    document = management.get("/api/openapi.json").json()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation["summary"] for operation in operations)
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert "/api/conversations/{conversation_id}/messages" in document["paths"]


def test_every_reference_leads_somewhere(management: httpx.Client) -> None:
    document = management.get("/api/openapi.json").json()
    text = json.dumps(document)
    for part in text.split('"$ref": "#/')[1:]:
        found = document
        for step in part.split('"')[0].split("/"):
            found = found[step]
        assert found
