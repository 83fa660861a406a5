"""Operation of pipelines: checkpoints, replays, dry runs, destinations, dead letters, secrets."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from millrace.api.schemas.operations import (
    Checkpoint,
    CheckpointPage,
    DeadLetter,
    DeadLetterCount,
    DeadLetterGroup,
    DeadLetterGroupPage,
    DeadLetterPage,
    DeletedDeadLetters,
    Destination,
    DestinationPage,
    DestinationTestResult,
    DryRun,
    Redrive,
    RedrivePage,
    RedriveProgress,
    Replay,
    Secret,
    SecretPage,
)
from millrace.client.answers import model, nothing
from millrace.client.calls import Call, Request, given, path
from millrace.client.operations import IO, Listing, Resource, listing, operation

PIPELINE = "/api/streaming/pipelines/{}"
DEAD_LETTERS = PIPELINE + "/dead-letters"
SECRETS = "/api/streaming/secrets"


class Recovery(Resource[IO]):
    """The operations; times are ISO 8601, in UTC."""

    @operation
    def create_checkpoint(self, pipeline_id: str) -> Call[Checkpoint]:
        """Create a checkpoint of this moment, to replay from later."""
        return Call(Request("POST", path(PIPELINE + "/checkpoints", pipeline_id)), model(Checkpoint))

    @operation
    def list_checkpoints(self, pipeline_id: str) -> Call[CheckpointPage]:
        """List the latest hundred checkpoints."""
        return Call(Request("GET", path(PIPELINE + "/checkpoints", pipeline_id)), model(CheckpointPage))

    @operation
    def restore_checkpoint(self, pipeline_id: str, checkpoint_id: str) -> Call[Replay]:
        """Process again the events that were accepted after a checkpoint."""
        where = path(PIPELINE + "/checkpoints/{}/restore", pipeline_id, checkpoint_id)
        return Call(Request("POST", where), model(Replay))

    @operation
    def replay(
        self, pipeline_id: str, since: str, until: str | None = None, *, version: int | None = None
    ) -> Call[Replay]:
        """Process again the events that were accepted in a period, which ends now by default."""
        body = {"from": since} | given(to=until, version=version)
        return Call(Request("POST", path(PIPELINE + "/replay", pipeline_id), body=body), model(Replay))

    @operation
    def dry_run(
        self,
        pipeline_id: str,
        *,
        definition: Mapping[str, Any] | None = None,
        events: Sequence[Mapping[str, Any]] | None = None,
    ) -> Call[DryRun]:
        """Show what a definition does with events; nothing is delivered."""
        body = given(definition=definition, events=events)
        where = path(PIPELINE + "/dry-run", pipeline_id)
        return Call(Request("POST", where, body=body, repeatable=True), model(DryRun))

    @operation
    def dry_run_definition(
        self, definition: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
    ) -> Call[DryRun]:
        """Show what a definition that is not stored does with events."""
        body = {"definition": dict(definition), "events": list(events)}
        return Call(Request("POST", "/api/streaming/dry-run", body=body, repeatable=True), model(DryRun))

    @operation
    def list_destinations(self, pipeline_id: str) -> Call[DestinationPage]:
        """List the destinations with the states of their circuits."""
        return Call(Request("GET", path(PIPELINE + "/destinations", pipeline_id)), model(DestinationPage))

    @operation
    def enable_destination(self, pipeline_id: str, number: int) -> Call[Destination]:
        """Deliver to a destination again."""
        where = path(PIPELINE + "/destinations/{}/enable", pipeline_id, number)
        return Call(Request("POST", where, repeatable=True), model(Destination))

    @operation
    def disable_destination(self, pipeline_id: str, number: int) -> Call[Destination]:
        """Deliver nothing more to a destination."""
        where = path(PIPELINE + "/destinations/{}/disable", pipeline_id, number)
        return Call(Request("POST", where, repeatable=True), model(Destination))

    @operation
    def send_test_event(
        self, pipeline_id: str, number: int, payload: Mapping[str, Any] | None = None
    ) -> Call[DestinationTestResult]:
        """Send one event to a destination, and return its response."""
        where = path(PIPELINE + "/destinations/{}/test", pipeline_id, number)
        return Call(Request("POST", where, body=given(payload=payload)), model(DestinationTestResult))

    @listing
    def list_dead_letters(
        self,
        pipeline_id: str,
        *,
        place: str | None = None,
        code: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
    ) -> Listing[DeadLetter]:
        """List dead letters, oldest first; `place` is `step:<n>` or `destination:<n>`."""
        query = _selection(place, code, since, until) | given(limit=limit)
        where = path(DEAD_LETTERS, pipeline_id)
        return Listing(Request("GET", where, query), model(DeadLetterPage))

    @operation
    def count_dead_letters(
        self,
        pipeline_id: str,
        *,
        place: str | None = None,
        code: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Call[DeadLetterCount]:
        """Count dead letters, by place and by code."""
        query = _selection(place, code, since, until)
        return Call(Request("GET", path(DEAD_LETTERS + "/count", pipeline_id), query), model(DeadLetterCount))

    @listing
    def list_dead_letter_groups(
        self,
        pipeline_id: str,
        *,
        place: str | None = None,
        code: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Listing[DeadLetterGroup]:
        """List dead letters by place and error, the largest group first."""
        query = _selection(place, code, since, until)
        where = path(DEAD_LETTERS + "/groups", pipeline_id)
        return Listing(Request("GET", where, query), model(DeadLetterGroupPage))

    @operation
    def get_dead_letter(self, pipeline_id: str, dead_letter_id: str) -> Call[DeadLetter]:
        """Read a dead letter with its event."""
        return Call(
            Request("GET", path(DEAD_LETTERS + "/{}", pipeline_id, dead_letter_id)), model(DeadLetter)
        )

    @operation
    def delete_dead_letter(self, pipeline_id: str, dead_letter_id: str) -> Call[None]:
        """Delete a dead letter."""
        return Call(Request("DELETE", path(DEAD_LETTERS + "/{}", pipeline_id, dead_letter_id)), nothing)

    @operation
    def delete_dead_letters(
        self,
        pipeline_id: str,
        *,
        place: str | None = None,
        code: str | None = None,
        since: str | None = None,
        until: str | None = None,
        all: bool = False,
    ) -> Call[DeletedDeadLetters]:
        """Delete the selected dead letters, or `all`. Call it again as long as it returns `more`."""
        body = _selection(place, code, since, until) | ({"all": True} if all else {})
        where = path(DEAD_LETTERS + "/delete", pipeline_id)
        return Call(Request("POST", where, body=body, repeatable=True), model(DeletedDeadLetters))

    @operation
    def redrive(
        self,
        pipeline_id: str,
        *,
        place: str | None = None,
        code: str | None = None,
        since: str | None = None,
        until: str | None = None,
        version: Literal["current", "original"] | None = None,
        from_step: int | None = None,
        per_second: int | None = None,
    ) -> Call[Redrive]:
        """Send dead letters again: all of them, or the selected ones."""
        body = _selection(place, code, since, until) | given(
            version=version, fromStep=from_step, perSecond=per_second
        )
        return Call(Request("POST", path(DEAD_LETTERS + "/redrive", pipeline_id), body=body), model(Redrive))

    @operation
    def list_redrives(self, pipeline_id: str) -> Call[RedrivePage]:
        """List the latest hundred redrives."""
        return Call(Request("GET", path(DEAD_LETTERS + "/redrives", pipeline_id)), model(RedrivePage))

    @operation
    def get_redrive(self, pipeline_id: str, redrive_id: str) -> Call[RedriveProgress]:
        """Read the progress of a redrive."""
        where = path(DEAD_LETTERS + "/redrives/{}", pipeline_id, redrive_id)
        return Call(Request("GET", where), model(RedriveProgress))

    @operation
    def cancel_redrive(self, pipeline_id: str, redrive_id: str) -> Call[Redrive]:
        """Cancel a redrive, which then sends no more dead letters."""
        where = path(DEAD_LETTERS + "/redrives/{}/cancel", pipeline_id, redrive_id)
        return Call(Request("POST", where, repeatable=True), model(Redrive))

    @listing
    def list_secrets(self, *, limit: int | None = None) -> Listing[Secret]:
        """List the secrets of definitions by name; values are never returned."""
        return Listing(Request("GET", SECRETS, given(limit=limit)), model(SecretPage))

    @operation
    def put_secret(self, name: str, value: str, hosts: Sequence[str]) -> Call[Secret]:
        """Store a secret, with the hosts that it may be sent to."""
        body = {"value": value, "hosts": list(hosts)}
        return Call(Request("PUT", path(SECRETS + "/{}", name), body=body), model(Secret))

    @operation
    def delete_secret(self, name: str) -> Call[None]:
        """Delete a secret."""
        return Call(Request("DELETE", path(SECRETS + "/{}", name)), nothing)


def _selection(place: str | None, code: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    return given(place=place, code=code, **{"from": since, "to": until})
