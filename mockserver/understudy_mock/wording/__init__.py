"""How each provider words its answers: `provider.yaml`, compiled.

`values` lists what a template may name, `template` compiles one, and `wording` has the answers of a provider.
`examine` reads a folder and lists all that is wrong with it (`structure`, `checks`), `folder` opens them.
"""

from understudy_mock.wording.folder import Readers, Wordings, open_wordings, quirks_of, shipped, wordings_of
from understudy_mock.wording.quirks import Quirk
from understudy_mock.wording.reads import Reads, Told
from understudy_mock.wording.values import Place
from understudy_mock.wording.wording import Wording

__all__ = [
    "Place",
    "Quirk",
    "Readers",
    "Reads",
    "Told",
    "Wording",
    "Wordings",
    "open_wordings",
    "quirks_of",
    "shipped",
    "wordings_of",
]
