"""How long a plan waits before it tries again."""

import hashlib

from shared.models.run import RetryPolicy


def retry_delay(policy: RetryPolicy, failures: int, *, salt: str) -> float:
    """Seconds to wait after the `failures`-th failure: doubling, capped, and spread by up to a quarter either way.

    The spread is a hash of `salt` and the number, so that a replayed plan waits the same and two plans do not
    knock together.
    """
    plain = min(float(policy.first_delay_seconds << (failures - 1)), float(policy.longest_delay_seconds))
    share = int.from_bytes(hashlib.sha256(f"{salt}/{failures}".encode()).digest()[:4], "big") / 2**32
    return round(min(plain * (0.75 + share / 2), policy.longest_delay_seconds), 3)
