"""The promises of a job API that generic checks miss, one function each.

A function returns when the promise is kept, raises `Broken` when it is not, and `NotReached` when it could
not be tested. A precondition that fails is never a broken promise: another check covers it.
"""

from understudy_contracts.server.promises.access import ACCESS
from understudy_contracts.server.promises.answers import ANSWERS
from understudy_contracts.server.promises.base import Check
from understudy_contracts.server.promises.limits import LIMITS
from understudy_contracts.server.promises.money import MONEY
from understudy_contracts.server.promises.states import STATES
from understudy_contracts.server.promises.webhooks import CALLBACKS

CHECKS: tuple[Check, ...] = (*STATES, *ANSWERS, *ACCESS, *LIMITS, *MONEY, *CALLBACKS)

__all__ = ["ACCESS", "ANSWERS", "CALLBACKS", "CHECKS", "LIMITS", "MONEY", "STATES", "Check"]
