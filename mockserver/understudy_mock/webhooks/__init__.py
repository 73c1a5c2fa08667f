"""Callbacks on the wire: one loop sends what the plan says is due, and a log shows every attempt.

What is sent and when is decided in `domain.webhook`; how it is worded, by the provider's module.
"""

from understudy_mock.webhooks.log import Attempt, Delivery, DeliveryState
from understudy_mock.webhooks.post import Poster
from understudy_mock.webhooks.sender import Sender

__all__ = ["Attempt", "Delivery", "DeliveryState", "Poster", "Sender"]
