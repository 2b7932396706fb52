"""A second, independent reader of everything in vectors/: standard library and `cryptography`, nothing of this program.

    python vectors/verify_parcel.py [FOLDER [CASE.json ...]] [--json]

reads each case of vectors/ (or of one folder, or those named), follows docs/parcel.md, docs/identity.md, docs/descriptor.md,
docs/relay.md and docs/evidence.md, and prints its verdict wherever it differs from the expected one; exit status 1 if any does.

    python vectors/verify_parcel.py evidence FILE --trust ROOTS.pem [--tsa ROOTS.pem] [--at 2026-11-22T12:00:00Z]

verifies one evidence file, as `intertie evidence verify` does. It is written from the pages, not from the program, and shares
no code with it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from reading import chains, evidence, parcels, relayed, signed, translated
from reading.base import VECTORS, instant
from verify_attachment import verdict as sealed_file

Judge = Callable[[Path], tuple[str, str]]


def judge_attachment(path: Path) -> tuple[str, str]:
    found, expected = sealed_file(path)
    return expected, found


JUDGES: dict[str, Judge] = {
    "parcel": parcels.judge,
    "x509": chains.judge,
    "receipt": signed.judge_receipt,
    "checkpoint": signed.judge_checkpoint,
    "descriptor": signed.judge_descriptor,
    "evidence": evidence.judge,
    "attachment": judge_attachment,
    "translated": translated.judge,
    "relay": relayed.judge,
}


def verdicts(folder: str, names: list[str]) -> dict[str, tuple[str, str]]:
    """Expected and found, by case."""
    paths = [Path(name) for name in names] or sorted((VECTORS / folder).glob("*.json"))
    return {path.stem: JUDGES[folder](path) for path in paths}


def judge_all(folders: list[str], names: list[str], as_json: bool) -> int:
    found = {folder: verdicts(folder, names) for folder in folders}
    differ = [
        (folder, name, *pair)
        for folder, cases in found.items()
        for name, pair in cases.items()
        if pair[0] != pair[1]
    ]
    if as_json:
        print(
            json.dumps(
                {folder: {name: pair[1] for name, pair in cases.items()} for folder, cases in found.items()}
            )
        )
        return 1 if differ else 0
    for folder, cases in found.items():
        print(f"{folder:12} {len(cases):4} cases, {sum(one[0] == folder for one in differ)} differ")
        for name, pair in cases.items() if len(cases) == 1 or names else ():
            print(f"  {name}: {pair[1]}")
    for folder, name, expected, verdict in differ:
        print(f"DIFFER  {folder}/{name}: {verdict}, expected {expected}")
    return 1 if differ else 0


def verify_file(path: Path, trust: Path, tsa: Path | None, at: datetime) -> int:
    roots = x509.load_pem_x509_certificates(trust.read_bytes())
    stamping = x509.load_pem_x509_certificates(tsa.read_bytes()) if tsa else []
    try:
        raw, believed = path.read_bytes(), evidence.Trust(roots, [], stamping)
        own = b'"kind":"translated"' in raw
        lines = translated.verify(raw, believed, at) if own else evidence.verify(raw, believed, at)
    except evidence.Step as step:
        print(f"NOT proven: step {step.number} of docs/evidence.md fails ({step})")
        return 1
    print("\n".join(lines))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", choices=list(JUDGES))
    parser.add_argument("files", nargs="*")
    parser.add_argument("--json", action="store_true", help="verdicts for programs")
    parser.add_argument("--trust", type=Path, help="PEM roots: verify an evidence file")
    parser.add_argument("--tsa", type=Path, help="PEM roots of time-stamping authorities")
    parser.add_argument("--at", type=instant, default=datetime.now(UTC), help="time of the check")
    given = parser.parse_args()
    if given.trust is None:
        return judge_all([given.folder] if given.folder else list(JUDGES), given.files, given.json)
    if given.folder != "evidence" or len(given.files) != 1:
        parser.error("--trust goes with one evidence file")
    return verify_file(Path(given.files[0]), given.trust, given.tsa, given.at)


if __name__ == "__main__":
    sys.exit(main())
