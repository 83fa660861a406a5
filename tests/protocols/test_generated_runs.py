"""The generator of runs: the properties that other tests rely on."""

from hypothesis import given

from millrace.domain import events
from millrace.domain.projection import rewound_to
from millrace.protocols.native.encoding import encode
from tests.protocols.generated_runs import GeneratedRun, ended_runs, runs, some_runs


@given(runs())
def test_log_grows_and_takes_back_only_what_is_there(generated: GeneratedRun) -> None:
    seqs = [entry.seq for entry in generated.entries]
    assert seqs == sorted(set(seqs))
    for entry in generated.entries:
        if entry.type == "rewind":
            assert rewound_to(entry) in seqs
            assert rewound_to(entry) < entry.seq


@given(ended_runs())
def test_ended_run_has_one_end(generated: GeneratedRun) -> None:
    assert generated.over
    assert sum(entry.type in events.TERMINAL for entry in generated.entries) == 1


@given(runs())
def test_native_replay_behind_any_event_is_the_rest(generated: GeneratedRun) -> None:
    run, entries = generated.run, generated.entries
    whole = [encode([entry], "steps", run_id=run.id) for entry in entries]
    for n in range(len(entries)):
        assert encode(entries[n:], "steps", run_id=run.id) == b"".join(whole[n:])


def test_batch_is_the_same_each_time_and_has_every_kind_of_event() -> None:
    batch = some_runs(60)
    assert batch == some_runs(60)
    kinds = {entry.type for generated in batch for entry in generated.entries}
    assert kinds == {
        *("start", "status", "thinking", "token", "tool_call", "tool_result", "injected", "rewind"),
        *("approval_requested", "approval_answered", "waiting", "done", "error"),
    }
    assert any(generated.waits for generated in batch)
    assert any(not generated.over and not generated.waits for generated in batch)
    assert any("parent" in entry.event for generated in batch for entry in generated.entries)
