"""Callbacks on the wire: one loop sends what the plan says is due, and a log shows every attempt.

What is sent and when is decided in `domain.webhook`; how it is worded, by the provider's module.
"""

from mockserver.webhooks.log import Attempt, Delivery, DeliveryState
from mockserver.webhooks.post import Poster
from mockserver.webhooks.sender import Sender

__all__ = ["Attempt", "Delivery", "DeliveryState", "Poster", "Sender"]
