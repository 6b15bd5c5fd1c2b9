"""Run as a script between the supervisor and a child: tie its life to the supervisor's, then exec it.

Rules:
    - On Linux the kernel kills the child when the supervisor dies, even by SIGKILL.
    - SIGHUP is ignored until the child installs its own handler, so an early reload does not end it. It
      arrives here blocked, and what is pending is dropped by ignoring it.
    - Standard library only, no import of the gateway: it runs under `python -I -S` in some 20 ms.
Not here:
    - When children start and stop (run). Source: prctl(2), PR_SET_PDEATHSIG; it survives execve.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent_pid: int, argv: list[str]) -> None:
    """Replace this process by `argv`; exits when the parent is gone already."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(1)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    try:
        os.execvp(argv[0], argv)  # noqa: S606  # our own command, no shell wanted
    except OSError as error:
        sys.exit(f"cannot start {argv[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
