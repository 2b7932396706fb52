"""Cases of vectors/relay: a consignment as a relay judges it, or evidence of a message that went over relays."""

from __future__ import annotations

import json
from pathlib import Path

from reading import relays
from reading.base import b64, instant
from reading.evidence import Step, Trust, verify


def judge(path: Path) -> tuple[str, str]:
    case = json.loads(path.read_text(encoding="utf-8"))
    if "consignment" in case:
        return relays.judge(path)
    try:
        verify(b64(case["evidence"], "bad_case"), Trust(relays.roots(), [], []), instant(case["now"]))
    except Step as failed:
        return case["expect"], f"step {failed.number}"
    return case["expect"], "ok"
