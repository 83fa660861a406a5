"""Child processes that never outlive the stack, even if the stack is killed with SIGKILL.

`command(...)` wraps a command line so that the child first asks the kernel for a signal at its parent's death
(prctl(2), PR_SET_PDEATHSIG, kept across exec) and then executes the command. It is a wrapper rather than
`preexec_fn`, because that is unsafe (and warns) in a process with threads. Linux ties the signal to the
*thread* that started the child, so start children from a thread that lives as long as the stack. On other
systems the wrapper only executes the command.
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
    """Return the command line that ties `argv` to this process's life; start it with `start_new_session`."""
    # The wrapper gets the child's environment: -I keeps its PYTHONPATH from replacing modules imported here.
    wrapper = [sys.executable, "-I", "-S", str(Path(__file__)), str(os.getpid()), str(int(at_parents_death))]
    return [*wrapper, *argv]


def end_group(pid: int, how: signal.Signals) -> None:
    """Send a signal to a child and its process group, ignoring one that has already ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, how)


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End a child with SIGTERM and, after `seconds`, SIGKILL. Returns when it has ended."""
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
