"""Child processes that never outlive the stack, not even when the stack is killed with SIGKILL.

`command(...)` wraps a command line so that the child first asks the kernel for a signal at its parent's
death (prctl(2), PR_SET_PDEATHSIG, kept across exec) and then becomes the command. A wrapper rather than
`preexec_fn`, because that is unsafe (and warns) in a process with threads. Linux ties the signal to the
*thread* that started the child: start children from a thread that lives as long as the stack does.
Elsewhere than on Linux the wrapper only executes the command.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def command(argv: Sequence[str], at_parents_death: signal.Signals = signal.SIGKILL) -> list[str]:
    """The command line that runs `argv` tied to this process's life; start it with `start_new_session`."""
    # The wrapper gets the child's environment: -I keeps its PYTHONPATH from replacing what is imported here.
    wrapper = [sys.executable, "-I", "-S", str(Path(__file__)), str(os.getpid()), str(int(at_parents_death))]
    return [*wrapper, *argv]


def end_group(pid: int, how: signal.Signals) -> None:
    """Send a signal to a child and all that it started (its own process group); quiet when they are gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, how)


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a child: SIGTERM, `seconds` seconds, SIGKILL. Returns when it is gone."""
    end_group(process.pid, signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass
    end_group(process.pid, signal.SIGKILL)
    process.wait()


def _tie_to(parent: int, how: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how, 0, 0, 0)
    if os.getppid() != parent:  # it died before the tie was made
        sys.exit(1)


if __name__ == "__main__":
    _tie_to(int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])
