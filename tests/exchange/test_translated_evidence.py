"""Evidence of messages that came and went over UFTP: exported by both sides, checked by a third person, offline."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.exchange.house import AGGREGATOR, UTILITY, trial_ca
from tests.exchange.uftp_world import KEYS, NEED, Two, foreign_of, offer_to

from intertie.exchange.outbound import State
from intertie.gateway.ports import Query
from intertie.gateway.proving.export_evidence import NoEvidenceError, export
from intertie.gateway.proving.renew_evidence import lapsing, renew, renew_message
from intertie.model.errors import EvidenceError
from intertie.model.ids import MessageId, PartyId, derived_uuid7
from intertie.run.verifiers import VERIFIERS
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.evidence_file import verify_file
from intertie.seal.profile import PROFILES
from intertie.seal.renewal import RenewedReport
from intertie.seal.sodium_sign import SodiumKey, write_public
from intertie.seal.timestamp import TsaTrust
from intertie.seal.translated_report import TranslatedReport

NO_TSA = TsaTrust(())


def checked(raw: bytes, two: Two) -> TranslatedReport:
    report = verify_file(raw, trial_ca().trust(), two.now, verifiers=VERIFIERS)
    assert isinstance(report, TranslatedReport)
    return report


def traded() -> Two:
    two = Two()
    assert two.exchange(UTILITY, NEED) == (State.ACCEPTED, "")
    assert two.exchange(AGGREGATOR, offer_to(two)) == (State.ACCEPTED, "")
    return two


def ids(two: Two, party: PartyId) -> dict[str, MessageId]:
    store = two.gateways[party].store
    rows = [*store.messages(Query(outgoing=True)), *store.messages(Query(outgoing=False))]
    return {row.document: row.id for row in rows}


@pytest.mark.parametrize("party", [UTILITY, AGGREGATOR])
@pytest.mark.parametrize("document", ["need", "offer"])
def test_both_sides_prove_what_went_and_what_came(party: PartyId, document: str) -> None:
    two = traded()
    report = checked(export(two.gateways[party], ids(two, party)[document], two.now), two)
    author = UTILITY if document == "need" else AGGREGATOR
    assert (report.document, report.sender, report.by) == (document, author, party)
    assert report.author_key == write_public(KEYS[author].public)
    assert report.answer_key != report.author_key and report.answered == "Accepted"
    mine = "our own key"
    assert (report.author_key_from == mine) is (author == party)
    assert (report.answer_key_from == mine) is (author != party)


def test_what_was_rejected_is_proved_with_its_reason() -> None:
    two = traded()
    message = two.say(AGGREGATOR, offer_to(two, offer="O3"))
    two.now += timedelta(hours=5)  # the gate is closed when it arrives
    two.carry(AGGREGATOR)
    two.carry(UTILITY)
    assert two.state(AGGREGATOR, message)[0] is State.REFUSED
    report = checked(export(two.gateways[AGGREGATOR], message, two.now), two)
    assert report.answered is not None and report.answered.startswith("Rejected: ")
    with pytest.raises(NoEvidenceError, match="no message"):  # nothing is kept of it there but its hash
        export(two.gateways[UTILITY], MessageId(derived_uuid7("uftp", message)), two.now)


def test_without_an_answer_it_proves_who_said_it() -> None:
    two = Two()
    message = two.say(UTILITY, NEED)
    with pytest.raises(NoEvidenceError, match="in no parcel yet"):
        export(two.gateways[UTILITY], message, two.now)
    two.lose.add(UTILITY)
    two.carry(UTILITY)
    report = checked(export(two.gateways[UTILITY], message, two.now), two)
    assert report.answered is None and "not that it arrived" in report.text()


def test_it_is_renewed_like_any_other() -> None:
    two = traded()
    gateway = two.gateways[UTILITY]
    raw = export(gateway, ids(two, UTILITY)["offer"], two.now)
    renewed = renew(gateway, raw, PROFILES["hybrid"], two.now, NO_TSA, verifiers=VERIFIERS)
    report = verify_file(renewed, trial_ca().trust(), two.now, verifiers=VERIFIERS)
    assert isinstance(report, RenewedReport) and isinstance(report.inner, TranslatedReport)
    (need, _) = lapsing(gateway, timedelta(days=4000), two.now)
    again = renew_message(gateway, need.row, PROFILES["hybrid"], two.now, NO_TSA, verifiers=VERIFIERS)
    assert verify_file(again, trial_ca().trust(), two.now, verifiers=VERIFIERS)
    with pytest.raises(EvidenceError) as caught:
        renew(gateway, raw, PROFILES["hybrid"], two.now, NO_TSA)
    assert caught.value.step == 45


def test_the_key_that_was_pinned_then_counts_also_after_it_was_replaced() -> None:
    two = traded()
    other = foreign_of(AGGREGATOR, key=write_public(SodiumKey.of_seed(b"n" * 32).public))
    two.change(UTILITY, foreign=other)
    offer = checked(export(two.gateways[UTILITY], ids(two, UTILITY)["offer"], two.now), two)
    assert offer.author_key == write_public(KEYS[AGGREGATOR].public)
    assert offer.author_key_from.startswith("was, when it came, pinned")
    with pytest.raises(NoEvidenceError, match="none of the keys known for"):  # the answer's was not kept
        export(two.gateways[UTILITY], ids(two, UTILITY)["need"], two.now)


def test_a_partner_that_is_gone_is_named_with_what_to_do() -> None:
    two = traded()
    two.change(UTILITY, foreign=None)
    with pytest.raises(NoEvidenceError, match="no legacy file here") as caught:
        export(two.gateways[UTILITY], ids(two, UTILITY)["offer"], two.now)
    assert "partner legacy" in caught.value.do


@pytest.mark.parametrize("member", ["message", "answer"])
@pytest.mark.parametrize("place", [0, 3, 70, 300, -5])
def test_no_byte_of_message_or_answer_is_free(member: str, place: int) -> None:
    two = traded()
    file: dict[str, Any] = json.loads(export(two.gateways[UTILITY], ids(two, UTILITY)["offer"], two.now))
    part = bytearray(from_base64url(file[member]))
    part[place] ^= 1
    file[member] = to_base64url(bytes(part))
    with pytest.raises(EvidenceError) as caught:
        checked(write_canonical(file), two)
    assert caught.value.step in (44, 48)
