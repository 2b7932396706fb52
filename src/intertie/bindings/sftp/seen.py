"""What lies at a partner's server, from one look to the next."""

from __future__ import annotations

# Under this our uploads lie until they are whole.
PART = ".part"
# Files of one look: the rest is there the next time.
FILES_MAX = 1000


class Seen:
    """What lay in a partner's outbox when it was last looked at: a file that still grows is left alone."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, int]] = {}

    def still(self, files: dict[str, tuple[int, int]]) -> list[str]:
        """Those that are as they were the time before."""
        found = [name for name, stamp in sorted(files.items()) if self._before.get(name) == stamp]
        self._before = files
        return found
