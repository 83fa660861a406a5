from pathlib import Path

from millrace.pipelines.expressions.reference import functions_page

PAGE = Path(__file__).parents[2] / "docs" / "pipelines" / "expressions.md"


def test_reference_is_fresh() -> None:
    assert PAGE.read_text() == functions_page(), f"python -m millrace.pipelines functions > {PAGE.name}"
