"""Search for the provider behaviour that breaks a client.

`places` is where a client can be tried, `mischiefs` what a provider may do there, `strategies` what is drawn,
`expect` what a client should make of it, `search` the run, `coverage` what was met, `telling` the report,
`inside` a client in this process, `command` the command line, and `function` the same search as `explore(…)`,
for tests.
"""

from understudy_contracts.extra import require_check

require_check("explore()")  # before what follows imports Hypothesis

from understudy_contracts.search.function import HarnessFault, explore  # noqa: E402
from understudy_contracts.search.search import Nothing  # noqa: E402

__all__ = ["HarnessFault", "Nothing", "explore"]
