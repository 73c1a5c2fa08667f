"""Believable reasons for jobs that fail by chance, drawn from the job's own generator."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from understudy_mock.domain.draw import Draw

if TYPE_CHECKING:
    from faker import Faker

# Each with the code that WaveSpeed has for it (https://wavespeed.ai/docs/error-codes); others show none.
_FAILED = (
    (1200, "Content policy violation: the prompt was rejected by the safety checker"),
    (1402, "Could not download the input from {url}: HTTP 403"),
    (1401, "The input is not a supported media file"),
    (1403, "Generation failed at step {step}: the model returned no usable frames"),
    (1200, "The output was blocked by content moderation"),
)
_ERROR = (
    (5000, "Worker {host} ran out of GPU memory"),
    (5000, "Lost the connection to worker {host}"),
    (5004, "Upstream {address} did not answer within {seconds} seconds"),
    (5003, "Storage upload failed: bucket {word} is not available"),
    (5000, "Internal queue error {code}"),
)


def failure(draw: Draw) -> tuple[int, str]:
    """Word why a job FAILED: something about what was asked."""
    return _word(_FAILED, draw)


def system_error(draw: Draw) -> tuple[int, str]:
    """Word why a job ended in ERROR: something about the provider's machines."""
    return _word(_ERROR, draw)


def _word(templates: tuple[tuple[int, str], ...], draw: Draw) -> tuple[int, str]:
    fake = _faker()
    fake.seed_instance(draw.bits("message", 32))
    code, template = templates[draw.bits("template", 16) % len(templates)]
    return code, template.format(
        url=f"https://{fake.domain_name()}/{fake.file_name(category='image')}",
        host=fake.hostname(levels=1),
        address=fake.ipv4_private(),
        seconds=fake.random_int(30, 300),
        step=fake.random_int(1, 50),
        word=fake.domain_word(),
        code=f"Q-{fake.random_int(1000, 9999)}",
    )


@lru_cache(maxsize=1)
def _faker() -> Faker:
    # Imported here because it takes longer than the rest of the start together and few runs draw failures.
    from faker import Faker

    return Faker("en_US")
