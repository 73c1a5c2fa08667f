"""The reference client: how to call Pixazo, Segmind and WaveSpeed without losing jobs, money or the key.

It needs httpx and nothing else, and imports nothing of Understudy: copy the folder, call it as you like.

    async with Client("pixazo", key) as client:
        result = await client.run("hunyuan-video", {"prompt": "a red kite"}, save_to=Path("videos"))

`client` says what is done when, `errors` what is raised; `receiver` takes callbacks; a provider is a module.
"""

from .client import Client
from .download import File
from .errors import (
    AmbiguousSubmit,
    AuthError,
    ClientError,
    InsufficientBalance,
    JobFailed,
    Kind,
    NetworkError,
    NotFound,
    RateLimited,
    Rejected,
    ServerError,
    ValidationError,
    WaitTimeout,
)
from .jobs import Job, Media, Result, Snapshot, State
from .pace import SystemTime, Time
from .provider import WebhookMode
from .providers import PROVIDERS
from .receiver import WebhookReceiver

__all__ = [
    "PROVIDERS",
    "AmbiguousSubmit",
    "AuthError",
    "Client",
    "ClientError",
    "File",
    "InsufficientBalance",
    "Job",
    "JobFailed",
    "Kind",
    "Media",
    "NetworkError",
    "NotFound",
    "RateLimited",
    "Rejected",
    "Result",
    "ServerError",
    "Snapshot",
    "State",
    "SystemTime",
    "Time",
    "ValidationError",
    "WaitTimeout",
    "WebhookMode",
    "WebhookReceiver",
]
