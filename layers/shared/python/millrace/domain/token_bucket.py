"""A token bucket: `per_second` requests on average, `burst` at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """`tokens` there were at `at` (epoch milliseconds; 0: never used, so full)."""

    tokens: float = 0.0
    at: int = 0


def take(bucket: Bucket, per_second: float, burst: int, now: int) -> tuple[Bucket, int]:
    """The bucket after one token was taken, and 0; or the bucket as it is, and the milliseconds until there
    is a token. A clock that goes backwards makes no tokens."""
    passed = max(0, now - bucket.at)
    tokens = float(burst) if bucket.at == 0 else min(float(burst), bucket.tokens + passed * per_second / 1000)
    if tokens >= 1:
        return Bucket(tokens - 1, max(now, bucket.at)), 0
    return bucket, max(1, int((1 - tokens) * 1000 / per_second) + 1)
