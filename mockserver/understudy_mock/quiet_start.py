"""Ctrl-C while the program is still importing ends it at once, without a traceback.

The imports take half a second. A program that imports this module first lets SIGINT end it in that time, as
for a program without signal handlers, until it calls `lift`.
"""

from __future__ import annotations

import signal
import threading

_quiet = False


def _begin() -> bool:
    # Another handler belongs to the parent process (nohup) or to the program that imports this: leave it.
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return True


def lift() -> None:
    """Let SIGINT raise KeyboardInterrupt again, as is usual in Python."""
    global _quiet
    if _quiet:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _quiet = False


_quiet = _begin()
