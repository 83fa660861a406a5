"""SnapStart: the order of hooks, snapshot and restore, and what a failing hook leads to."""

from pathlib import Path

import pytest

from tests.runtime.harness import runtime
from tests.runtime.host import Host

INIT_TYPE = "snap-start"
ERROR_TYPE = "lambda-runtime-function-error-type"
NEXT = "GET /2018-06-01/runtime/invocation/next"
RESTORE = "GET /2018-06-01/runtime/restore/next"
AWS_REGISTRY = """
BEFORE, AFTER = [], []


def register_before_snapshot(hook, *args, **kwargs):
    BEFORE.append((hook, args, kwargs))


def register_after_restore(hook, *args, **kwargs):
    AFTER.append((hook, args, kwargs))


def get_before_snapshot():
    return BEFORE


def get_after_restore():
    return AFTER


def foreign():
    import snapstart

    snapstart.order.append("a library's hook")


register_before_snapshot(foreign)
"""


async def test_hooks_run_around_the_snapshot(host: Host, tmp_path: Path) -> None:
    with runtime(host, "snapstart.app", tmp_path, AWS_LAMBDA_INITIALIZATION_TYPE=INIT_TYPE):
        call = host.invoke()
        host.restored.set()
        await call.done()
    assert call.body == b"before 2, before 1, after 1, after 2"
    assert host.log[:2] == [RESTORE, NEXT]


async def test_invocations_are_not_polled_before_the_restore(host: Host, tmp_path: Path) -> None:
    with runtime(host, "snapstart.app", tmp_path, AWS_LAMBDA_INITIALIZATION_TYPE=INIT_TYPE):
        call = host.invoke()
        await host.asked(RESTORE)
        assert (host.log, host.waiting) == ([RESTORE], 0)
        host.restored.set()
        await call.done()


async def test_hooks_do_not_run_without_snapstart(host: Host, tmp_path: Path) -> None:
    with runtime(host, "snapstart.app", tmp_path):
        assert (await host.invoke().done()).body == b"\n"
    assert RESTORE not in host.log


async def test_hooks_join_the_registry_of_aws_where_it_is_installed(host: Host, tmp_path: Path) -> None:
    (tmp_path / "snapshot_restore_py.py").write_text(AWS_REGISTRY)
    host.restored.set()
    with runtime(host, "snapstart.app", tmp_path, also=tmp_path, AWS_LAMBDA_INITIALIZATION_TYPE=INIT_TYPE):
        call = await host.invoke().done()
    assert call.body == b"before 2, before 1, a library's hook, after 1, after 2"


@pytest.mark.parametrize(
    ("when", "status", "path", "kind"),
    [
        ("before", 64, "/2018-06-01/runtime/init/error", "Runtime.BeforeSnapshotError"),
        ("after", 65, "/2018-06-01/runtime/restore/error", "Runtime.AfterRestoreError"),
    ],
)
async def test_failing_hook_is_reported_and_ends_the_process(
    host: Host, tmp_path: Path, when: str, status: int, path: str, kind: str
) -> None:
    host.restored.set()
    with runtime(
        host, "snapstart.app", tmp_path, BREAK=when, AWS_LAMBDA_INITIALIZATION_TYPE=INIT_TYPE
    ) as child:
        assert await child.exit() == status
    [(reported, headers, error)] = host.reports
    assert (reported, headers[ERROR_TYPE]) == (path, kind)
    assert error["errorType"] == "RuntimeError"
    assert NEXT not in host.log
