"""Search for the provider behaviour that breaks a client.

`strategies` is what is drawn, `expect` what a client should make of it, `search` the run, `coverage` what was
met, `telling` what is said and kept, `inside` a client in this process, `command` the command line, and
`function` the same search as `explore(…)`, for tests.
"""

from understudy_contracts.extra import require_check

require_check("explore()")  # before what follows imports Hypothesis

from understudy_contracts.search.function import HarnessFault, explore  # noqa: E402
from understudy_contracts.search.search import Nothing  # noqa: E402

__all__ = ["HarnessFault", "Nothing", "explore"]
