"""Randomness and names: everything drawn for a job comes from one generator made of what was asked.

The generator is a keyed hash, so it has no state: a draw is named, and drawing one thing more or in
another order changes nothing else. Equal seeds and equal calls give equal jobs however calls interleave.
"""

from __future__ import annotations

import hashlib

import msgspec

_RAND_A = (1 << 12) - 1
_RAND_B = (1 << 62) - 1


class Draw(msgspec.Struct, frozen=True):
    """The generator of one job."""

    root: bytes

    @classmethod
    def of_job(cls, seed: int, account: str, operation: str, body: bytes, nth: int) -> Draw:
        """Return the generator of the `nth` job with this canonical `body` of this account and operation."""
        parts = hashlib.blake2b(
            f"{seed}\0{account}\0{operation}\0{nth}\0".encode() + body,
            digest_size=32,
            usedforsecurity=False,
        )
        return cls(parts.digest())

    @property
    def id_bits(self) -> int:
        """The 74 bits that make the job's id its own."""
        return int.from_bytes(self.root[:10], "big")

    def bits(self, label: str, count: int) -> int:
        """Draw a number of `count` bits (at most 512) for the purpose named by `label`."""
        digest = hashlib.blake2b(label.encode(), key=self.root, usedforsecurity=False).digest()
        return int.from_bytes(digest, "big") >> (512 - count)

    def fraction(self, label: str) -> float:
        """Draw a number in [0, 1)."""
        return self.bits(label, 53) / (1 << 53)


def uuid7(instant: int, random_bits: int) -> str:
    """Write a UUID version 7 (RFC 9562, section 5.7) of an instant in ms and 74 random bits."""
    rand_a = random_bits & _RAND_A
    rand_b = (random_bits >> 12) & _RAND_B
    value = (instant & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b
    text = value.to_bytes(16, "big").hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def webhook_secret(seed: int, account: str) -> str:
    """Return the secret that signs an account's callbacks: `whsec_` and 64 hexadecimal digits."""
    text = f"webhook\0{seed}\0{account}".encode()
    return "whsec_" + hashlib.blake2b(text, digest_size=32, usedforsecurity=False).hexdigest()


def account_name(key: str, digits: int = 8) -> str:
    """Return the public name of a key's account: `acct_` and hexadecimal digits of the key's hash."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape"), usedforsecurity=False)
    return "acct_" + digest.hexdigest()[:digits]
