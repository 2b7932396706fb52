"""How many elements an encoding has, before a parser looks at it: asn1crypto reads what has no definite length one by one,
in Python, and five megabytes of one-byte pieces would keep it busy for half a minute. Nothing is decoded but tags and lengths.
"""

from __future__ import annotations

# Certificates and attributes have some hundreds; content in pieces has one in a thousand bytes or more (BouncyCastle, OpenSSL).
ELEMENTS_MIN = 4000
BYTES_PER_ELEMENT = 256
# CMS with two certificates nests about a dozen deep.
DEPTH_MAX = 64
CONSTRUCTED = 0x20
INDEFINITE = 0x80


def is_bounded(raw: bytes) -> bool:
    """Whether the first element is whole, and neither deep nor of more pieces than its size explains."""
    limit = ELEMENTS_MIN + len(raw) // BYTES_PER_ELEMENT
    ends: list[int | None] = []  # of what is open: None for what ends by two zeros
    at = count = 0
    while True:
        while ends and ends[-1] == at:
            ends.pop()
        if count and not ends:
            return True
        count += 1
        bound = next((end for end in reversed(ends) if end is not None), len(raw))
        header = _header(raw, at)
        if header is None or count > limit or len(ends) >= DEPTH_MAX:
            return False
        tag, start, length = header
        if tag == 0 and length == 0:
            if not ends or ends.pop() is not None:
                return False
            at = start
        elif length is None:
            if not tag & CONSTRUCTED:
                return False
            ends.append(None)
            at = start
        elif start + length > bound:
            return False
        else:
            if tag & CONSTRUCTED:
                ends.append(start + length)
            at = start if tag & CONSTRUCTED else start + length


def _header(raw: bytes, at: int) -> tuple[int, int, int | None] | None:
    """Tag, where the content starts, and how long it is (None: until two zeros); None for what CMS does not have."""
    if at + 2 > len(raw) or raw[at] & 0x1F == 0x1F:
        return None
    first = raw[at + 1]
    if first == INDEFINITE:
        return raw[at], at + 2, None
    if first < INDEFINITE:
        return raw[at], at + 2, first
    size = first & 0x7F
    if size > 8 or at + 2 + size > len(raw):
        return None
    return raw[at], at + 2 + size, int.from_bytes(raw[at + 2 : at + 2 + size], "big")
