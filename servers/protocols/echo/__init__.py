"""Echo over a byte stream: what was sent comes back. Both halves agree on the size of a message."""

MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # either half holds a whole message


def checked_size_bytes(size: int | str) -> int:
    """The size of a message as given in the options. ValueError says what is allowed."""
    if not isinstance(size, int) or not 1 <= size <= MAX_MESSAGE_BYTES:
        limit = f"{MAX_MESSAGE_BYTES // 2**20} MiB"
        raise ValueError(f"echo needs a size from 1 byte to {limit}, not {size!r}")
    return size
