"""Time stamps over a journal, evidence that carries them, evidence that outlives its keys, evidence that is renewed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from test_deliver import declare, deliver
from tests.exchange.house import (
    AGGREGATOR,
    NOW,
    UTILITY,
    Book,
    Pair,
    Wire,
    keys_of,
    make_pair,
    partner_of,
    trial_ca,
)
from tests.tsa import Tsa, needs_openssl

from intertie.gateway.gateway import FixedKeys, Gateway
from intertie.gateway.proving.export_evidence import NoEvidenceError, export
from intertie.gateway.proving.renew_evidence import lapsing, renew, renew_message
from intertie.gateway.proving.stamp_journal import begin_stamp, finish_stamp, kept_stamps
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import EvidenceError
from intertie.model.ids import MessageId, PartyId
from intertie.seal.encoding import write_canonical
from intertie.seal.evidence_file import verify_file
from intertie.seal.evidence_report import EvidenceReport
from intertie.seal.keys import generate_keys
from intertie.seal.policy_settings import AlgorithmEnd, PolicySettings
from intertie.seal.profile import PROFILES
from intertie.seal.renewal import RenewedReport
from intertie.seal.timestamp import StampError, TsaTrust, read_tsa_roots

NOBODY = TsaTrust(())
YEAR = timedelta(days=365)
# The authority's clock is the machine's.
TODAY = datetime.now(UTC)


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Tsa:
    return Tsa(tmp_path_factory.mktemp("tsa"))


def exchanged(count: int = 1) -> tuple[Pair, list[MessageId]]:
    pair = make_pair()
    ids = [declare(pair) for _ in range(count)]
    assert deliver(pair, Wire(pair.utility, AGGREGATOR))
    return pair, ids


# A policy for which classical signatures are enough, as they are for flows of short life.
LENIENT = PolicySettings(
    default_profile="classical", harvest_horizon=date(2090, 1, 1), disallow_date=date(2090, 1, 1)
)


@pytest.fixture
def classical() -> tuple[Pair, list[MessageId]]:
    """Two messages that went with classical signatures; the policy has become stricter since."""
    usual = make_pair()
    pair = Pair(replace(usual.utility, policy=LENIENT), replace(usual.aggregator, policy=LENIENT))
    ids = [declare(pair) for _ in range(2)]
    assert deliver(pair, Wire(pair.utility, AGGREGATOR))
    assert [pair.utility.store.message(i) is not None for i in ids] == [True, True]
    return usual, ids


def stamp(gateway: Gateway, tsa: Tsa) -> TsaTrust:
    trust = read_tsa_roots(tsa.root.read_bytes())
    finish_stamp(gateway, tsa.reply(begin_stamp(gateway, NOW).request), trust, NOW)
    return trust


# Time stamps


@needs_openssl
def test_a_stamp_is_kept_and_journaled(tsa: Tsa) -> None:
    pair, _ = exchanged()
    trust = read_tsa_roots(tsa.root.read_bytes())
    head = pair.utility.store.head()
    begun = begin_stamp(pair.utility, NOW)
    assert kept_stamps(pair.utility, trust) == []
    kept = finish_stamp(pair.utility, tsa.reply(begun.request), trust, NOW)
    assert (kept.head, kept.stamped.authority) == (head, "CN=Test TSA")
    assert kept_stamps(pair.utility, trust) == [kept]
    assert kept_stamps(pair.utility, NOBODY) == [(head, None)]
    assert b"time stamp over size" in pair.utility.store.entries()[-1][1]


@needs_openssl
def test_a_reply_finds_its_request_among_several(tsa: Tsa) -> None:
    pair, _ = exchanged()
    trust = read_tsa_roots(tsa.root.read_bytes())
    first = begin_stamp(pair.utility, NOW)
    pair.utility.store.note([Entry(kind=Kind.ACT, at=NOW, digest="00" * 32)])
    begin_stamp(pair.utility, NOW)
    kept = finish_stamp(pair.utility, tsa.reply(first.request), trust, NOW)
    assert kept.head == first.head
    assert len(pair.utility.store.stamps(answered=False)) == 1


@needs_openssl
def test_a_reply_to_nothing_of_ours(tsa: Tsa) -> None:
    pair, _ = exchanged()
    trust = read_tsa_roots(tsa.root.read_bytes())
    reply = tsa.reply(begin_stamp(pair.aggregator, NOW).request)
    with pytest.raises(StampError, match="no request"):
        finish_stamp(pair.utility, reply, trust, NOW)
    begin_stamp(pair.utility, NOW)
    with pytest.raises(StampError, match="does not verify"):
        finish_stamp(pair.utility, reply, trust, NOW)
    with pytest.raises(StampError, match="no root"):
        finish_stamp(pair.utility, reply, NOBODY, NOW)
    assert pair.utility.store.stamps(answered=True) == []


def test_an_empty_journal_is_not_stamped() -> None:
    with pytest.raises(StampError, match="empty"):
        begin_stamp(make_pair().utility, NOW)


# Evidence with a stamp


@needs_openssl
@pytest.mark.parametrize("side", ["utility", "aggregator"])
def test_evidence_carries_the_stamp_that_covers_its_receipt(tsa: Tsa, side: str) -> None:
    pair, ids = exchanged(3)
    gateway: Gateway = getattr(pair, side)
    trust = stamp(gateway, tsa)
    raw = export(gateway, ids[1], NOW)
    report = verify_file(raw, gateway.trust, TODAY, trust)
    assert isinstance(report, EvidenceReport)
    assert report.stamped is not None and abs(report.stamped - TODAY) < timedelta(hours=1)
    assert (report.stamped_by, report.notes) == ("CN=Test TSA", ())
    assert "the receipt was there at" in report.text()
    unchecked = verify_file(raw, gateway.trust, TODAY)
    assert isinstance(unchecked, EvidenceReport)
    assert (unchecked.stamped, "not checked" in unchecked.notes[0]) == (None, True)


@needs_openssl
def test_a_stamp_from_before_the_receipt_is_not_taken(tsa: Tsa) -> None:
    pair = make_pair()
    message = declare(pair)
    trust = stamp(pair.aggregator, tsa)
    assert deliver(pair, Wire(pair.utility, AGGREGATOR))
    report = verify_file(export(pair.aggregator, message, NOW), pair.utility.trust, TODAY, trust)
    assert isinstance(report, EvidenceReport)
    assert (report.stamped, report.notes) == (None, ())


@needs_openssl
def test_a_changed_stamp_names_its_step(tsa: Tsa, tmp_path: Path) -> None:
    pair, ids = exchanged()
    trust = stamp(pair.utility, tsa)
    file = json.loads(export(pair.utility, ids[0], NOW))

    def failure(step: int, authorities: TsaTrust = trust, **members: object) -> None:
        changed = write_canonical(file | {"stamp": file["stamp"] | members})
        with pytest.raises(EvidenceError) as caught:
            verify_file(changed, pair.utility.trust, TODAY, authorities)
        assert caught.value.step == step, caught.value

    failure(12, index=file["stamp"]["index"] + 1)
    failure(12, entry="e30")
    failure(12, root="00" * 32)
    failure(12, proof=[])
    failure(13, reply="AAAA")
    failure(13, party="other.example")
    failure(13, read_tsa_roots(Tsa(tmp_path / "other").root.read_bytes()))
    failure(1, size=-1)
    failure(1, proof=["AAAA"])
    with pytest.raises(EvidenceError) as caught:
        verify_file(
            write_canonical(file | {"receipt": None, "receiver_chains": {}}), pair.utility.trust, TODAY, trust
        )
    assert caught.value.step == 12


# Evidence that outlives its keys


def test_evidence_is_exported_with_the_certificates_of_then() -> None:
    """Both parties have new keys, and the partner is not even a partner any more."""
    pair, ids = exchanged()
    old = pair.utility
    new = generate_keys(UTILITY, old.party.roles, trial_ca(), NOW)
    later = replace(old, ring=FixedKeys(new), partners=Book([]))
    report = verify_file(export(later, ids[0], NOW), old.trust, NOW + timedelta(days=1))
    assert isinstance(report, EvidenceReport)
    assert {w.certificate for w in report.witnesses}.isdisjoint({c.hex() for c in new.public().chains})


def test_without_kept_certificates_the_present_ones_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    pair, ids = exchanged()
    monkeypatch.setattr(type(pair.utility.store), "chain", lambda *_: None)
    assert verify_file(export(pair.utility, ids[0], NOW), pair.utility.trust, NOW + timedelta(days=1))
    other = keys_of(PartyId("other.example"), pair.aggregator.party.roles)
    lost = replace(pair.utility, partners=Book([partner_of(other)]))
    with pytest.raises(EvidenceError, match="no certificate"):
        export(lost, ids[0], NOW)


def test_no_evidence_of_what_never_left() -> None:
    pair = make_pair()
    message = declare(pair)
    with pytest.raises(NoEvidenceError, match="no parcel yet"):
        export(pair.aggregator, message, NOW)
    with pytest.raises(NoEvidenceError, match="no message"):
        export(pair.utility, message, NOW)


# Evidence that lapses


def test_what_lapses_is_listed(classical: tuple[Pair, list[MessageId]]) -> None:
    pair, ids = classical
    assert list(lapsing(pair.utility, YEAR, NOW)) == []
    for gateway in (pair.utility, pair.aggregator):
        found = list(lapsing(gateway, 11 * YEAR, NOW))
        assert [each.row.id for each in found] == ids
        assert {(str(each.until), each.profile) for each in found} == {("2035-12-31", "classical")}


def test_what_our_settings_say_ends_earlier_lapses_earlier(classical: tuple[Pair, list[MessageId]]) -> None:
    pair, ids = classical
    sooner = PolicySettings(ends=(AlgorithmEnd(algorithm="ES256", day=date(2027, 1, 1)),))
    found = list(lapsing(replace(pair.utility, policy=sooner), 2 * YEAR, NOW))
    assert [(each.row.id, each.until) for each in found] == [(i, date(2027, 1, 1)) for i in ids]


def test_hybrid_evidence_does_not_lapse() -> None:
    pair, _ = exchanged()
    assert list(lapsing(pair.utility, 50 * YEAR, NOW)) == []


def test_renewed_before_it_lapses(classical: tuple[Pair, list[MessageId]]) -> None:
    pair, ids = classical
    found = next(lapsing(pair.utility, 11 * YEAR, NOW))
    raw = renew_message(pair.utility, found.row, PROFILES["hybrid-high"], NOW + YEAR, NOBODY)
    report = verify_file(raw, pair.utility.trust, NOW + 11 * YEAR)
    assert isinstance(report, RenewedReport)
    assert isinstance(report.inner, EvidenceReport)
    assert (report.inner.message, report.renewals[0].by, report.holds_until) == (ids[0], UTILITY, None)
    again = renew(pair.aggregator, raw, PROFILES["hybrid"], NOW + YEAR, NOBODY)
    assert isinstance(verify_file(again, pair.utility.trust, NOW + 20 * YEAR), RenewedReport)


def test_what_has_lapsed_or_does_not_verify_is_not_renewed(classical: tuple[Pair, list[MessageId]]) -> None:
    pair, ids = classical
    raw = export(pair.utility, ids[0], NOW)
    with pytest.raises(EvidenceError) as caught:
        renew(pair.utility, raw, PROFILES["hybrid"], NOW + 11 * YEAR, NOBODY)
    assert caught.value.step == 11
    with pytest.raises(EvidenceError):
        renew(pair.utility, raw[:-9], PROFILES["hybrid"], NOW, NOBODY)
