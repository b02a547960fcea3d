"""The time as records have it."""

import time


def utc() -> str:
    """Return the time in UTC as text that sorts: `2026-11-24T10:00:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
