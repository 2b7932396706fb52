"""Evidence of messages that came and went over Internet ET: exported by both sides, checked by a third person, offline."""

from __future__ import annotations

import json

import pytest
from tests.exchange.et_world import CODES, KEYS, NOTICE, STRANGER, Two
from tests.exchange.house import AGGREGATOR, UTILITY, trial_ca

from intertie.bindings.internet_et.kept import (
    KeptMessage,
    KeptReceipt,
    KeptSigned,
    Names,
    keep_signed,
    read_kept,
)
from intertie.bindings.internet_et.proof import InternetEtVerifier, ids_of
from intertie.exchange.outbound import State
from intertie.formats.as2.flaws import As2Error
from intertie.formats.internet_et.package import read_inside
from intertie.gateway.proving.export_evidence import NoEvidenceError, export
from intertie.gateway.translating.accept_translated import original_of
from intertie.model.errors import Code, EvidenceError, Refused
from intertie.model.ids import MessageId, PartyId
from intertie.run.verifiers import VERIFIERS
from intertie.seal.encoding import from_base64url, to_base64url
from intertie.seal.evidence_file import verify_file
from intertie.seal.pgp import verify_detached
from intertie.seal.translated_report import TranslatedReport


def delivered() -> tuple[Two, dict[PartyId, MessageId]]:
    """A message that came, and its id at each side."""
    two = Two()
    message = two.say(UTILITY, NOTICE)
    two.carry(UTILITY)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    return two, {UTILITY: message, AGGREGATOR: two.inbox(AGGREGATOR)[0].id}


def checked(raw: bytes, two: Two) -> TranslatedReport:
    report = verify_file(raw, trial_ca().trust(), two.now, verifiers=VERIFIERS)
    assert isinstance(report, TranslatedReport)
    return report


@pytest.mark.parametrize("party", [UTILITY, AGGREGATOR])
def test_both_sides_prove_what_went_and_what_came(party: PartyId) -> None:
    two, ids = delivered()
    report = checked(export(two.gateways[party], ids[party], two.now), two)
    assert (report.document, report.sender, report.by) == ("outage_notice", UTILITY, party)
    assert report.author_key == KEYS[UTILITY].public and report.answered == "ok"
    mine = "our own key"
    assert (report.author_key_from == mine) is (party == UTILITY)
    assert (report.answer_key_from == mine) is (party == AGGREGATOR)


def test_what_is_kept_is_what_was_in_the_package_and_its_signature() -> None:
    two, ids = delivered()
    row = two.gateways[AGGREGATOR].store.message(ids[AGGREGATOR], outgoing=False)
    assert row is not None
    kept = read_kept(original_of(row.body) or b"")
    assert isinstance(kept, KeptSigned) and kept.names[:2] == (CODES[UTILITY], CODES[AGGREGATOR])
    assert read_inside(kept.content)[1].startswith(b"ISA*")
    assert verify_detached(kept.content, kept.signature, [KEYS[UTILITY].public])
    parcel = two.gateways[AGGREGATOR].store.parcel(row.parcel, outgoing=False)  # type: ignore[arg-type]
    assert parcel is not None and parcel.receipt is not None
    receipt = read_kept(parcel.receipt)
    assert isinstance(receipt, KeptReceipt) and receipt.body == two.answered[0].content
    sent = two.gateways[UTILITY].store.message(ids[UTILITY], outgoing=True)
    assert sent is not None
    went = read_kept(original_of(sent.body) or b"")
    assert isinstance(went, KeptMessage) and went.message in two.posted[0][2]


def test_without_the_key_that_signed_there_is_no_evidence() -> None:
    two, ids = delivered()
    two.change(UTILITY, keys=(STRANGER.public,))
    with pytest.raises(NoEvidenceError, match="none of the keys"):
        export(two.gateways[UTILITY], ids[UTILITY], two.now)
    # What came is kept with the key that verified it, and that counts also after it was replaced.
    two.change(AGGREGATOR, keys=(STRANGER.public,))
    report = checked(export(two.gateways[AGGREGATOR], ids[AGGREGATOR], two.now), two)
    assert report.author_key == KEYS[UTILITY].public and "was, when it came" in report.author_key_from


@pytest.mark.parametrize("party", [UTILITY, AGGREGATOR])
@pytest.mark.parametrize(
    ("member", "place"), [("message", 0.5), ("message", 0.95), ("answer", 0.3), ("answer", 0.7)]
)
def test_no_byte_of_message_or_answer_is_free(party: PartyId, member: str, place: float) -> None:
    two, ids = delivered()
    file = json.loads(export(two.gateways[party], ids[party], two.now))
    raw = bytearray(from_base64url(file[member]))
    raw[int(len(raw) * place)] ^= 1
    file[member] = to_base64url(bytes(raw))
    with pytest.raises(EvidenceError):
        checked(json.dumps(file, separators=(",", ":")).encode(), two)


def test_the_verifier_knows_whose_signature_it_is_and_what_is_none() -> None:
    two, ids = delivered()
    row = two.gateways[AGGREGATOR].store.message(ids[AGGREGATOR], outgoing=False)
    assert row is not None
    raw = original_of(row.body) or b""
    facts = InternetEtVerifier().check(raw, KEYS[UTILITY].public)
    assert row.id in facts.names and (facts.sender, facts.recipient) == (CODES[UTILITY], CODES[AGGREGATOR])
    with pytest.raises(Refused) as refused:
        InternetEtVerifier().check(raw, STRANGER.public)
    assert refused.value.code is Code.SIGNATURE_INVALID
    for none in (b"", b"Content-Type: text/plain\r\n\r\nhello", raw[:200]):
        with pytest.raises(Refused):
            InternetEtVerifier().check(none, KEYS[UTILITY].public)
    changed = raw.replace(b"OUT-2026-0031", b"OUT-2026-0032")
    with pytest.raises(Refused):
        InternetEtVerifier().check(changed, KEYS[UTILITY].public)


def test_any_content_is_kept_byte_for_byte() -> None:
    names = Names("006982359", "123456789", "1")
    for content in (b"", b"\r\n", b"\n", b"a\r", b"a\n\r\n--et-0\r\n", bytes(range(256))):
        kept = read_kept(keep_signed(KeptSigned(names, "X12", content, b"sig")))
        assert kept == KeptSigned(names, "X12", content, b"sig")
    with pytest.raises(As2Error):
        read_kept(b"X-ET-From: 1\r\n\r\n")


def test_ids_are_derived_from_sender_and_name() -> None:
    assert ids_of("1", "2") != ids_of("2", "1") and len(ids_of("1", "2")) == 1
    own = "019bc186-e1e8-7687-b63a-6b9af5d14e91"
    assert ids_of("1", own)[0] == own and len(ids_of("1", own)) == 2
