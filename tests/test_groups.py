"""Groups of tests that run on one worker (see `tests.stack.write_groups`)."""

import pytest

LoadGroupScheduling = pytest.importorskip("xdist.scheduler").LoadGroupScheduling


@pytest.mark.xdist_group("grouped")
@pytest.mark.parametrize("value", ["a", "@"])
def test_group_of_a_test_is_where_xdist_looks_for_it(request: pytest.FixtureRequest, value: str) -> None:
    id = request.node.nodeid
    grouped = request.config.getoption("loadgroup", False)
    assert id.endswith("@grouped" if grouped else f"[{value}]")
    scheduler = object.__new__(LoadGroupScheduling)
    assert scheduler._split_scope(id) == ("grouped" if grouped else id)
