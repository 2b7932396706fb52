"""A rewritten journal is caught: by `journal verify` where it does not hold together, else by the audit of whoever holds
a head of it; and what a partner did can then be proven to anybody. One test for each way of rewriting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from tests.exchange.https_world import AGGREGATOR, UTILITY, now
from tests.exchange.witness_world import (
    PARCELS,
    Traffic,
    audit,
    entries_of,
    make_traffic,
    rebuild,
    rows,
    send,
)

from intertie.gateway.proving.audit_journal import Audit
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.journal.entry import Kind, entry_leaf
from intertie.model.errors import EvidenceError
from intertie.seal.equivocation import SETTLED, EquivocationReport
from intertie.seal.evidence_file import verify_file

# Long after the receipts: a shorter journal can be no matter of parcels under way.
LATER = SETTLED + timedelta(minutes=1)


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    return make_traffic(tmp_path_factory.mktemp("traffic"))


@pytest.fixture
def traffic(rest: Traffic, tmp_path: Path) -> Iterator[Traffic]:
    again = rest.again(tmp_path)
    yield again
    again.close()


@pytest.fixture
def journal(traffic: Traffic) -> Path:
    """The file in which the aggregator's journal is."""
    return traffic.stores / "aggregator.db"


def finding(traffic: Traffic, **more: bool) -> Audit:
    with traffic.open():
        return audit(traffic.utility, **more)


def convicted(traffic: Traffic, found: Audit, contradiction: str) -> EquivocationReport:
    """The aggregator is, by a file that needs nothing but the roots."""
    assert not found.sound
    assert [(p.party, p.state) for p in found.partners] == [(AGGREGATOR, "rewritten")]
    assert found.own.state == "consistent"
    report = verify_file(found.evidence[AGGREGATOR], traffic.utility.gateway.trust, now() + LATER)
    assert isinstance(report, EquivocationReport)
    assert (report.party, report.contradiction) == (AGGREGATOR, contradiction)
    assert report.first.at <= report.second.at
    return report


def unsound(traffic: Traffic, match: str) -> None:
    """`journal verify` says it, where it was done."""
    with pytest.raises(EvidenceError, match=match):
        verify_journal(traffic.aggregator.gateway.store)


# Nothing was rewritten


def test_two_honest_journals(traffic: Traffic) -> None:
    with traffic.open():
        found = audit(traffic.utility)
        assert found.sound, found
        assert (found.partners[0].heads, found.own.receipts, found.own.witnessed) == (PARCELS, 2, 2)
        again = audit(traffic.utility)
        assert (again.sound, again.partners[0].heads) == (True, 0)
        send(traffic.utility, traffic.aggregator)
        more = audit(traffic.utility)
        assert (more.sound, more.partners[0].heads) == (True, 1)
        whole = audit(traffic.utility, everything=True)
        assert (whole.sound, whole.partners[0].heads) == (
            True,
            PARCELS + 1 + 2,
        )  # and two heads of earlier audits
        other = audit(traffic.aggregator)
        assert (other.sound, other.own.witnessed) == (True, PARCELS + 1 + 2)
    assert verify_journal(traffic.utility.gateway.store)
    notes = [e.note for e in entries_of(traffic.stores / "utility.db") if e.kind is Kind.ACT]
    assert notes[0].startswith("audit: consistent, size ")


# A row changed


def test_a_changed_row(traffic: Traffic, journal: Path) -> None:
    raw = traffic.aggregator.gateway.store.entries()[3][1]
    with rows(journal) as db:
        db.execute("UPDATE journal SET entry = ? WHERE idx = 3", (raw.replace(b'"2', b'"1', 1),))
    unsound(traffic, "entry 3 does not hash")


def test_a_changed_row_with_its_own_leaf(traffic: Traffic, journal: Path) -> None:
    raw = traffic.aggregator.gateway.store.entries()[3][1].replace(b'"2', b'"1', 1)
    with rows(journal) as db:
        db.execute("UPDATE journal SET entry = ?, leaf = ? WHERE idx = 3", (raw, entry_leaf(raw)))
    unsound(traffic, "root at size")
    found = finding(traffic)
    assert not found.sound
    assert found.partners[0].state == "unproven"


def test_a_changed_leaf(traffic: Traffic, journal: Path) -> None:
    with rows(journal) as db:
        db.execute("UPDATE journal SET leaf = ? WHERE idx = 3", (b"\0" * 32,))
    unsound(traffic, "entry 3 does not hash")


def test_a_changed_head(traffic: Traffic, journal: Path) -> None:
    with rows(journal) as db:
        db.execute("UPDATE frontier SET root = ?", (b"\0" * 32,))
    unsound(traffic, "root at size")


def test_a_changed_row_in_a_journal_that_was_rebuilt_around_it(traffic: Traffic, journal: Path) -> None:
    """The whole journal agrees with itself: only who holds a head of it can tell."""
    entries = entries_of(journal)
    entries[3] = msgspec.structs.replace(entries[3], at=entries[3].at - timedelta(hours=1))
    rebuild(journal, entries)
    verify_journal(traffic.aggregator.gateway.store)
    report = convicted(traffic, finding(traffic), "two_roots")
    assert (report.first.what, report.second.what) == ("receipt", "checkpoint")
    assert report.first.size == report.second.size > 3


# A row removed


def test_a_removed_row(traffic: Traffic, journal: Path) -> None:
    with rows(journal) as db:
        db.execute("DELETE FROM journal WHERE idx = 3")
    unsound(traffic, "has 3 entries")


def test_a_removed_row_and_the_others_moved_up(traffic: Traffic, journal: Path) -> None:
    with rows(journal) as db:
        db.execute("DELETE FROM journal WHERE idx = 3")
        db.execute("UPDATE journal SET idx = -idx WHERE idx > 3")
        db.execute("UPDATE journal SET idx = -idx - 1 WHERE idx < 0")
    unsound(traffic, "entries, its head says")


def test_a_removed_row_in_a_journal_that_was_rebuilt_around_it(traffic: Traffic, journal: Path) -> None:
    entries = entries_of(journal)
    del entries[3]
    rebuild(journal, entries)
    verify_journal(traffic.aggregator.gateway.store)
    convicted(traffic, finding(traffic), "two_roots")


# Rows in another order


def test_rows_in_another_order(traffic: Traffic, journal: Path) -> None:
    with rows(journal) as db:
        for before, after in ((3, -1), (4, 3), (-1, 4)):
            db.execute("UPDATE journal SET idx = ? WHERE idx = ?", (after, before))
    unsound(traffic, "root at size")


def test_rows_in_another_order_in_a_journal_that_was_rebuilt_around_them(
    traffic: Traffic, journal: Path
) -> None:
    entries = entries_of(journal)
    entries[2], entries[5] = entries[5], entries[2]
    rebuild(journal, entries)
    verify_journal(traffic.aggregator.gateway.store)
    convicted(traffic, finding(traffic), "two_roots")


# Truncated


def test_the_last_rows_are_gone(traffic: Traffic, journal: Path) -> None:
    with rows(journal) as db:
        db.execute("DELETE FROM journal WHERE idx >= 5")
    unsound(traffic, "has 5 entries")


def test_truncated_with_a_head_that_fits(traffic: Traffic, journal: Path) -> None:
    """Its own audit finds the receipts that name heads beyond the end; a partner finds its receipts' heads beyond it."""
    rebuild(journal, entries_of(journal)[:5])
    verify_journal(traffic.aggregator.gateway.store)
    with traffic.open():
        own = audit(traffic.aggregator).own
        assert (own.state, "beyond the journal's end" in own.detail) == ("rewritten", True)
        soon = audit(traffic.utility)
        assert [p.state for p in soon.partners] == ["unproven"]  # a parcel under way could explain it
        assert "no evidence of it yet" in soon.partners[0].detail


def test_truncated_and_found_later(rest: Traffic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, some time after the receipts: evidence."""
    traffic = rest.again(tmp_path)
    rebuild(tmp_path / "aggregator.db", entries_of(tmp_path / "aggregator.db")[:5])
    monkeypatch.setattr("tests.exchange.https_world.now", lambda: now() + LATER)
    with traffic.open():
        found = audit(traffic.utility, now() + LATER)
    report = convicted(traffic, found, "shrunk")
    assert report.second.present == 5 < report.first.size
    traffic.close()


def test_truncated_and_grown_again(traffic: Traffic, journal: Path) -> None:
    rebuild(journal, entries_of(journal)[:5])
    with rows(journal) as db:
        db.execute("DELETE FROM messages; DELETE FROM parcels")
    with traffic.open():
        send(traffic.utility, traffic.aggregator, PARCELS)
        convicted(traffic, audit(traffic.utility), "two_roots")


def test_a_row_after_the_head(traffic: Traffic, journal: Path) -> None:
    raw = traffic.aggregator.gateway.store.entries()[0][1]
    with rows(journal) as db:
        size = db.execute("SELECT size FROM frontier").get
        db.execute("INSERT INTO journal (idx, entry, leaf) VALUES (?, ?, ?)", (size, raw, entry_leaf(raw)))
    unsound(traffic, "more entries than")


# All of it


def test_another_journal_altogether(traffic: Traffic, journal: Path) -> None:
    entries = [msgspec.structs.replace(entry, note="as if") for entry in entries_of(journal)]
    rebuild(journal, entries)
    verify_journal(traffic.aggregator.gateway.store)
    convicted(traffic, finding(traffic), "two_roots")


def test_rewritten_before_what_an_earlier_audit_had_proven(traffic: Traffic, journal: Path) -> None:
    """No receipt since: the head that the audit kept convicts, signed in the earlier checkpoint."""
    assert finding(traffic).sound
    entries = entries_of(journal)
    entries[-1] = msgspec.structs.replace(entries[-1], note="as if")
    rebuild(journal, entries)
    report = convicted(traffic, finding(traffic), "two_roots")
    assert (report.first.what, report.second.what) == ("checkpoint", "checkpoint")


def test_ones_own_rewritten_journal(traffic: Traffic, journal: Path) -> None:
    entries = entries_of(journal)
    entries[0] = msgspec.structs.replace(entries[0], note="as if")
    rebuild(journal, entries)
    with traffic.open():
        found = audit(traffic.aggregator)
    assert (found.own.state, found.sound) == ("rewritten", False)
    assert "not the one in its head" in found.own.detail


def test_ones_own_journal_rewritten_with_the_receipts_thrown_away(traffic: Traffic, journal: Path) -> None:
    """Nothing here tells any more; the partner does."""
    entries = entries_of(journal)
    entries[0] = msgspec.structs.replace(entries[0], note="as if")
    rebuild(journal, entries)
    with rows(journal) as db:
        db.execute("DELETE FROM messages; DELETE FROM parcels")
    with traffic.open():
        found = audit(traffic.aggregator)
    assert (found.own.state, found.sound) == ("rewritten", False)
    assert UTILITY in found.own.detail


# Two faces


def test_two_receipts_with_two_roots_convict_without_asking(traffic: Traffic, tmp_path: Path) -> None:
    """The partner kept two journals and wrote a receipt from each."""
    other = rest_copy(traffic, tmp_path / "other")
    changed = entries_of(other / "aggregator.db")
    changed[0] = msgspec.structs.replace(changed[0], note="as if")
    rebuild(other / "aggregator.db", changed)
    with traffic.open():
        send(traffic.utility, traffic.aggregator)
    with rows(traffic.stores / "aggregator.db") as db:
        db.execute("ATTACH ? AS other", (str(other / "aggregator.db"),))
        for table in ("journal", "frontier"):
            db.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM other.{table}")
    with traffic.open():
        send(traffic.utility, traffic.aggregator)
        report = convicted(traffic, audit(traffic.utility), "two_roots")
    assert (report.first.what, report.second.what) == ("receipt", "receipt")


def rest_copy(traffic: Traffic, folder: Path) -> Path:
    folder.mkdir()
    traffic.again(folder).close()
    return folder


@pytest.mark.parametrize(
    "damage",
    [
        lambda db: db.execute("UPDATE journal SET leaf = ? WHERE idx = 0", (b"\0" * 32,)),
        lambda db: db.execute("DELETE FROM journal WHERE idx = 1"),
    ],
)
def test_a_damaged_journal_signs_nothing_against_itself(
    traffic: Traffic, journal: Path, damage: Callable[[object], object]
) -> None:
    """A broken disk is no lie: the gateway answers that it cannot, and the partner has no evidence of anything."""
    with rows(journal) as db:
        damage(db)
    found = finding(traffic)
    assert [(p.state, p.party in found.evidence) for p in found.partners] == [("unproven", False)]
