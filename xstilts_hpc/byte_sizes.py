"""Numbers of bytes as people read them."""


def in_bytes(number: float) -> str:
    """Return a number of bytes in three digits and a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"
