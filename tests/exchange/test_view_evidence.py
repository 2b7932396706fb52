"""What auditors and security officers see: whether a file proves something, journal heads and lines, and protection derived."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from test_deliver import declare, deliver
from tests.exchange.house import AGGREGATOR, NOW, UTILITY, Pair, Wire, make_pair
from tests.tsa import Tsa, needs_openssl

from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.operating.check_policy import Dates
from intertie.gateway.proving.export_evidence import export
from intertie.gateway.proving.stamp_journal import begin_stamp, finish_stamp
from intertie.gateway.views import view_evidence, view_policy
from intertie.journal.checkpoint import Head
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import EvidenceError, Refused, SettingsError
from intertie.model.ids import MessageId, PartyId, new_message_id
from intertie.model.message import Mode
from intertie.seal.timestamp import read_tsa_roots

SOON = NOW + timedelta(days=1)


@pytest.fixture(scope="module")
def exchanged() -> tuple[Pair, list[MessageId]]:
    """Three messages in a parcel, receipted. Nothing here changes them."""
    pair = make_pair()
    ids = [declare(pair) for _ in range(3)]
    assert deliver(pair, Wire(pair.utility, AGGREGATOR))
    return pair, ids


Exchanged = tuple[Pair, list[MessageId]]


@pytest.mark.parametrize("side", ["utility", "aggregator"])
def test_a_dropped_file_that_proves_something_says_what(exchanged: Exchanged, side: str) -> None:
    pair, ids = exchanged
    raw = export(getattr(pair, side), ids[1], NOW)
    found = view_evidence.verify_dropped(pair.utility, "a.json", raw, SOON)
    assert found.proves and found.step is None and found.at == SOON and found.size == len(raw)
    assert ids[1] in found.text and AGGREGATOR in found.text and UTILITY in found.text


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"\xff\xfe", b"GIF89a<script>", b"[" * 100_000, b"null", b'{"kind":3}']
)
def test_a_dropped_file_that_is_no_evidence_says_so_and_raises_nothing(
    exchanged: Exchanged, raw: bytes
) -> None:
    found = view_evidence.verify_dropped(exchanged[0].utility, "<b>.json", raw, SOON)
    assert not found.proves and found.step is not None and found.text and found.at is None
    assert "<script>" not in found.text, "nothing of the file is quoted"


def test_a_changed_file_names_the_step_that_fails(exchanged: Exchanged) -> None:
    pair, ids = exchanged
    file = json.loads(export(pair.utility, ids[0], NOW))
    file["message"] = json.loads(export(pair.utility, ids[2], NOW))["message"]
    found = view_evidence.verify_dropped(pair.utility, "a.json", json.dumps(file).encode(), SOON)
    assert not found.proves and found.step is not None and f"step {found.step}" in found.text


def test_heads_of_both_sides_are_named(exchanged: Exchanged) -> None:
    pair, _ = exchanged
    ours, theirs = view_evidence.heads(pair.utility), view_evidence.heads(pair.aggregator)
    assert ours.own == pair.utility.store.head() and ours.party == UTILITY and ours.stamp is None
    [held] = theirs.partners
    assert (held.partner, held.proven, held.since, held.many) == (UTILITY, None, 1, False)
    assert held.newest is not None and held.newest.size <= ours.own.size
    assert ours.partners[0].newest is None, "the aggregator wrote no receipt yet"


def test_a_proven_head_is_told_from_those_that_came_since() -> None:
    pair = make_pair()
    for number in range(1, 5):
        pair.aggregator.store.add_partner_head(UTILITY, Head(number, bytes([number]) * 32), NOW)
    pair.aggregator.store.mark_proven(UTILITY, [Head(2, b"\x02" * 32)], NOW)
    [held] = view_evidence.heads(pair.aggregator).partners
    assert held.proven == Head(2, b"\x02" * 32) and held.since == 3
    assert held.newest == Head(4, b"\x04" * 32)


def test_more_heads_than_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_evidence, "HEADS_MAX", 2)
    monkeypatch.setattr(view_evidence, "PARTNERS_MAX", 1)
    pair = make_pair()
    for number in range(1, 5):
        pair.aggregator.store.add_partner_head(UTILITY, Head(number, bytes([number]) * 32), NOW)
    found = view_evidence.heads(pair.aggregator)
    assert (found.partners[0].since, found.partners[0].many, found.partners_left_out) == (2, True, 0)


@needs_openssl
def test_the_newest_time_stamp_is_verified_where_its_root_is_trusted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tsa, pair = Tsa(tmp_path_factory.mktemp("tsa")), make_pair()
    declare(pair)
    gateway = pair.aggregator
    trust, head = read_tsa_roots(tsa.root.read_bytes()), gateway.store.head()
    finish_stamp(gateway, tsa.reply(begin_stamp(gateway, NOW).request), trust, NOW)
    stamp = view_evidence.heads(gateway, trust).stamp
    assert (
        stamp is not None
        and stamp.size == head.size
        and stamp.authority == "CN=Test TSA"
        and stamp.at is not None
    )
    untrusted = view_evidence.heads(gateway).stamp
    assert untrusted is not None and untrusted.at is None and untrusted.why


def test_lines_of_the_journal_go_from_the_newest_back(exchanged: Exchanged) -> None:
    pair, ids = exchanged
    size = pair.aggregator.store.head().size
    page = view_evidence.entries(pair.aggregator, limit=2)
    assert [one.number for one in page.lines] == [size - 1, size - 2] and page.older == size - 2
    assert page.lines[0].kind is Kind.RECEIPT_IN and page.size == size
    rest = view_evidence.entries(pair.aggregator, page.older, limit=1000)
    assert [one.number for one in rest.lines] == list(range(size - 3, -1, -1)) and rest.older is None
    assert {one.message for one in rest.lines} >= set(ids)
    assert view_evidence.entries(pair.aggregator, 0).lines == ()
    assert view_evidence.entries(pair.aggregator, -5).lines == ()
    assert view_evidence.entries(pair.aggregator, 10**9).lines[0].number == size - 1


def test_a_note_of_any_text_is_a_line() -> None:
    pair = make_pair()
    pair.utility.store.note(
        [Entry(kind=Kind.ACT, at=NOW, digest="00" * 32, note="<script>alert(1)</script>")]
    )
    [line] = view_evidence.entries(pair.utility).lines
    assert line.note == "<script>alert(1)</script>" and line.partner is None and line.message is None


@pytest.mark.parametrize("side", ["utility", "aggregator"])
def test_a_message_is_proven_to_be_in_our_journal(exchanged: Exchanged, side: str) -> None:
    pair, ids = exchanged
    found = view_evidence.included(getattr(pair, side), ids[1])
    kinds = [line.kind for line, _ in found.lines]
    assert (Kind.MESSAGE_IN if side == "utility" else Kind.PARCEL_OUT) in kinds
    assert {line.message for line, _ in found.lines} <= {None, ids[1]}
    assert all(count > 0 for _, count in found.lines)


def test_what_is_in_no_parcel_has_no_proof() -> None:
    pair = make_pair()
    with pytest.raises(NotHere, match="no message"):
        view_evidence.included(pair.utility, new_message_id(NOW))
    with pytest.raises(NotHere, match="queued"):
        view_evidence.included(pair.aggregator, declare(pair))


def test_a_journal_that_was_rewritten_proves_nothing(
    exchanged: Exchanged, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, ids = exchanged
    other = Head(pair.utility.store.head().size, b"\x00" * 32)
    monkeypatch.setattr(pair.utility.store, "head", lambda: other)
    with pytest.raises(EvidenceError):
        view_evidence.included(pair.utility, ids[0])


# Policy


def test_every_flow_has_its_profile(exchanged: Exchanged) -> None:
    gateway = exchanged[0].utility
    table = view_policy.flow_table(gateway, "", NOW.date())
    assert table.interface == table.interfaces[0] and len(table.interfaces) == 18
    da = view_policy.flow_table(gateway, "da", NOW.date())
    assert len(da.rows) == len(gateway.catalogue.interfaces["DA"].flows)  # type: ignore[index]
    assert {row.profile for row in da.rows} <= {"classical", "hybrid", "hybrid-high"}
    contract = next(row for row in da.rows if row.document == "base_contract")
    assert contract.ours and contract.profile != "classical" and contract.protect_until > NOW.date()
    foreign = view_policy.flow_table(gateway, "ET1", NOW.date())
    assert not any(row.ours for row in foreign.rows if row.sender == "evse_pev")
    with pytest.raises(SettingsError, match="ET99"):
        view_policy.flow_table(gateway, "ET99", NOW.date())


def test_the_derivation_is_told_once_for_flows_alike(exchanged: Exchanged) -> None:
    gateway = exchanged[0].utility
    found = view_policy.derivations(gateway, "DA", "invoice", None, None, NOW.date())
    flows = [flow.key for one in found for flow in one.flows]
    assert len(flows) == len(set(flows)) and len(found) < len(flows)
    for one in found:
        assert one.explained.derivation.steps and one.algorithms
        assert one.explained.derivation.profile.name in {"hybrid", "hybrid-high", "classical"}
    later = view_policy.derivations(gateway, "DA", "invoice", None, None, date(2050, 1, 1))
    assert later[0].explained.derivation.protect_until > found[0].explained.derivation.protect_until


def test_with_a_partner_it_says_what_is_used(exchanged: Exchanged) -> None:
    gateway = exchanged[0].utility
    found = view_policy.derivations(gateway, "DA", "invoice", Mode.SCHEDULED, AGGREGATOR, NOW.date())
    assert all(one.explained.partner is not None for one in found)
    with pytest.raises(Refused):
        view_policy.derivations(gateway, "DA", "invoice", None, PartyId("nobody.example"), NOW.date())
    with pytest.raises(SettingsError, match="does not carry"):
        view_policy.derivations(gateway, "DA", "haiku", None, None, NOW.date())


def test_findings_come_with_what_to_do(exchanged: Exchanged) -> None:
    gateway = exchanged[0].utility
    ending = Dates(NOW + timedelta(days=10), {AGGREGATOR: NOW - timedelta(days=1)})
    found = view_policy.findings(gateway, ending, NOW, 30)
    assert [one.subject for one in found.now] == [f"{AGGREGATOR}'s descriptor"]
    assert [one.subject for one in found.soon] == ["our descriptor"] and all(one.do for one in found.soon)
    assert view_policy.findings(gateway, ending, NOW, 5).soon == ()
    for days in (-1, view_policy.AHEAD_DAYS_MAX + 1):
        with pytest.raises(SettingsError):
            view_policy.findings(gateway, ending, NOW, days)
