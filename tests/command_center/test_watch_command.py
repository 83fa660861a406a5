"""The command line of the terminal view."""

import pytest

from millrace.watch.__main__ import main


def test_empty_token_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--token", ""])
    assert stopped.value.code == 2
    assert "does the stack run?" in capsys.readouterr().err
