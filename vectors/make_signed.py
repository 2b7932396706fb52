"""Write vectors/signers.json and the cases of vectors/receipt, checkpoint, descriptor and evidence anew: signed objects,
each with one thing right or wrong. Keys and signatures are random, so every file changes: run this only when a format
changes or a case is added, and commit what it writes. The time stamps need the `openssl` program.

    python vectors/make_signed.py --write
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from making import descriptors, evidence, journals, receipts
from making.people import shared

HERE = Path(__file__).parent
FOLDERS: dict[str, Iterable[Callable[[], Iterator[dict[str, Any]]]]] = {
    "receipt": (receipts.cases,),
    "checkpoint": (journals.cases,),
    "descriptor": (descriptors.cases,),
    "evidence": (evidence.messages, evidence.stamped, evidence.equivocations, evidence.renewed),
}


def main() -> None:
    if sys.argv[1:] != ["--write"]:
        print(__doc__)
        return
    for folder, groups in FOLDERS.items():
        place = HERE / folder
        place.mkdir(exist_ok=True)
        for old in place.glob("*.json"):
            old.unlink()
        names: set[str] = set()
        for one in (one for group in groups for one in group()):
            file = "".join(c if c.isalnum() else "_" for c in one["name"].lower())
            assert file not in names, one["name"]
            names.add(file)
            (place / f"{file}.json").write_text(json.dumps(one, indent=1) + "\n", encoding="utf-8")
        print(f"{folder}: {len(names)} cases")
    made = {"made": datetime.now(UTC).date().isoformat()}
    (HERE / "signers.json").write_text(json.dumps(made | shared(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
