"""Believable reasons for jobs that fail by chance, drawn from the job's own generator."""

from __future__ import annotations

from understudy_mock.domain.draw import Draw

# Each with a code, for providers that show one.
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
    (5003, "Storage upload failed: bucket {bucket} is not available"),
    (5000, "Internal queue error {code}"),
)


def failure(draw: Draw) -> tuple[int, str]:
    """Return the code and the reason of a FAILED job: something about what was asked."""
    return _word(_FAILED, draw)


def system_error(draw: Draw) -> tuple[int, str]:
    """Return the code and the reason of a job in ERROR: something about the provider's machines."""
    return _word(_ERROR, draw)


def _word(templates: tuple[tuple[int, str], ...], draw: Draw) -> tuple[int, str]:
    code, template = templates[draw.bits("template", 16) % len(templates)]
    number = draw.bits("message", 32)
    return code, template.format(
        # Reserved for examples (RFC 2606), so that no stranger's host is named.
        url=f"https://assets.example.com/{number:08x}.png",
        host=f"gpu-{number % 512}",
        address=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number % 254 + 1}",
        seconds=30 + number % 271,
        step=1 + number % 50,
        bucket=f"results-{number % 64}",
        code=f"Q-{1000 + number % 9000}",
    )
