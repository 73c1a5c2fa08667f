"""`understudy check server --receiver`: check a receiver of callbacks, as one run."""

from __future__ import annotations

from understudy_contracts.receiver.checks import Absent, check_receiver, documented_callback
from understudy_contracts.server.run import Run
from understudy_mock.commands.common import CannotRun


def run_receiver_checks(run: Run, url: str, examples: int) -> None:
    """Check a receiver with the callbacks of the run's only API. Raises CannotRun."""
    run.title = f"the receiver {url}"
    (api,) = run.apis
    try:
        documented_callback(api)
        run.gather(check_receiver(url, api, seed=run.seed, examples=examples, progress=run.progress))
    except LookupError as problem:
        raise CannotRun(str(problem)) from None
    except Absent as problem:
        raise CannotRun(f"nothing answers at the receiver: {problem}") from None
