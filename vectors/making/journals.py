"""Cases of what a partner answers about journals: checkpoints and witness statements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from intertie.seal.checkpoint import CHECKPOINT_TYP, WITNESS_TYP

from . import mutations as m
from .people import AGG, NOW, OTHER, OTHER_KEYS, UTIL, UTIL_KEYS, Signed, b64, signers, text
from .receipts import CODES

PAGE = "docs/evidence.md, Asking a partner about journals"
SAID = {"v": 1, "from": UTIL, "to": AGG, "at": text(NOW)}
HEADS = [{"size": size, "root": f"{size:02x}" * 32} for size in (3, 5, 8)]
CHECKPOINT = Signed(
    SAID | {"size": 5, "root": "ab" * 32, "present": 9}, CHECKPOINT_TYP, signers(UTIL_KEYS, "hybrid")
)
WITNESS = Signed(SAID | {"heads": HEADS, "more": False}, WITNESS_TYP, signers(UTIL_KEYS, "hybrid"))


def case(name: str, expect: str, raw: Signed | bytes, origin: str = PAGE, **more: Any) -> dict[str, Any]:
    base = {"name": name, "origin": origin, "expect": expect, "now": text(NOW), "revoked": []}
    base |= {"kind": "checkpoint", "writer": "utility", "reader": AGG} | more
    return base | {"statement": b64(raw.raw() if isinstance(raw, Signed) else raw)}


def cases() -> Iterator[dict[str, Any]]:
    yield case("valid", "ok", CHECKPOINT)
    yield case("valid at the present head", "ok", CHECKPOINT.but(size=9))
    yield case("valid of an empty journal", "ok", CHECKPOINT.but(size=0, present=0))
    stamp = {"size": 4, "root": "cd" * 32, "reply": "AAAA"}
    yield case("valid with a stamp", "ok", CHECKPOINT.but(stamp=stamp))
    yield case("valid under hybrid-high", "ok", CHECKPOINT.by(*signers(UTIL_KEYS, "hybrid-high")))
    weak = CHECKPOINT.by(*signers(UTIL_KEYS, "classical"))
    yield case("weaker than hybrid", "protection_too_weak", weak)
    other = CHECKPOINT.by(*signers(OTHER_KEYS, "hybrid"))
    yield case("signed by another party", "unknown_certificate", other)
    wrong: dict[str, dict[str, Any]] = {
        "size beyond the present": {"size": 10},
        "size negative": {"size": -1},
        "size beyond 2^53": {"size": 2**53, "present": 2**53},
        "present missing": {"present": ...},
        "root short": {"root": "ab"},
        "time in another zone": {"at": text(NOW).replace("Z", "+01:00")},
        "stamp over more than size": {"stamp": stamp | {"size": 6}},
        "stamp with more": {"stamp": stamp | {"zzz": 1}},
        "stamp null": {"stamp": None},
        "to another reader": {"to": OTHER},
        "from another party": {"from": OTHER},
        "version 2": {"v": 2},
        "unknown member": {"zzz": 1},
    }
    for name, change in wrong.items():
        yield case(f"body {name}", "bad_manifest", CHECKPOINT.but(**change))
    yield case("a witness statement instead", "bad_manifest", WITNESS)
    for one in m.few(m.classical(CHECKPOINT, "intertie-receipt+jws")):
        yield case(one.name, CODES[one.caught], one.raw, one.origin)
    yield from witnesses()


def witnesses() -> Iterator[dict[str, Any]]:
    witness = {"kind": "witness"}
    yield case("witness valid", "ok", WITNESS, **witness)
    yield case("witness valid, no heads", "ok", WITNESS.but(heads=[]), **witness)
    forked = [HEADS[0], {"size": 5, "root": "04" * 32}, HEADS[1]]
    yield case("witness valid, two roots of one size", "ok", WITNESS.but(heads=forked), **witness)
    wrong: dict[str, dict[str, Any]] = {
        "heads out of order": {"heads": HEADS[::-1]},
        "head twice": {"heads": [HEADS[0], HEADS[0]]},
        "heads of one size out of order": {"heads": [forked[2], forked[1]]},
        "too many heads": {"heads": [{"size": n, "root": "ab" * 32} for n in range(1001)]},
        "more as a number": {"more": 0},
        "more missing": {"more": ...},
        "to another reader": {"to": OTHER},
    }
    for name, change in wrong.items():
        yield case(f"witness body {name}", "bad_manifest", WITNESS.but(**change), **witness)
    yield case("witness that is a checkpoint", "bad_manifest", CHECKPOINT, **witness)
