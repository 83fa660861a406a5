"""The product's format of times."""

from millrace.domain.clock import iso, updated_time

NOW = 1_800_000_000_000


def test_update_has_the_time_of_its_clock() -> None:
    assert updated_time(lambda: NOW, iso(NOW - 1)) == iso(NOW)
    assert updated_time(lambda: NOW, None) == iso(NOW)


def test_update_within_a_millisecond_has_a_time_of_its_own() -> None:
    assert updated_time(lambda: NOW, iso(NOW)) == iso(NOW + 1)
