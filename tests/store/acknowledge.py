"""A process that writes to a store without end and says each thing once it is promised: for being killed."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from store_builders import NOW, outgoing, queued_entries, sqlite_store, take_in


def main(path: Path, first: int) -> None:
    """Three messages in, then two out, over and over, with numbers from `first`."""
    store = sqlite_store(path)
    for number in count(first, 10):
        take_in(store, number, [number, number + 1, number + 2])
        print(f"in {number}", flush=True)
        messages = [outgoing(number + 3), outgoing(number + 4)]
        store.add_outgoing(messages, queued_entries(messages), NOW)
        print(f"out {number + 3}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
