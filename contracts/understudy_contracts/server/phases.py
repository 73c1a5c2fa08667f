"""The phases of generated calls. They stand apart from `generated`, which needs the extra `check`."""

PHASES = ("examples", "coverage", "fuzzing", "stateful")
INTERRUPTED = "interrupted"
"""Why a case was not reached that an interrupt kept from being run, or from being finished."""
