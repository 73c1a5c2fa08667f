"""Ctrl-C while the command is still being read: it ends at once, without a traceback.

Importing takes half a second. Whoever imports this module first dies of SIGINT in that time, as a program
that handles no signals does, until `lift` is called. Knows nothing of what is imported.
"""

from __future__ import annotations

import signal
import threading

_quiet = False


def _begin() -> bool:
    # Ignored by whoever started this, or handled by whoever imports it: not ours to change.
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return True


def lift() -> None:
    """Let SIGINT be KeyboardInterrupt again, as Python has it."""
    global _quiet
    if _quiet:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _quiet = False


_quiet = _begin()
