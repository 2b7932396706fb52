"""Evidence of messages that came and went over AS2: exported by both sides, checked by a third person, offline."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.exchange.as2_world import NOTICE, Two, key_of, stranger
from tests.exchange.house import AGGREGATOR, UTILITY, trial_ca

from intertie.bindings.as2.proof import As2Verifier, ids_of
from intertie.exchange.outbound import State
from intertie.formats.as2.terms import Quirk
from intertie.gateway.proving.export_evidence import NoEvidenceError, export
from intertie.gateway.translating.accept_translated import original_of
from intertie.model.errors import Code, EvidenceError, Refused
from intertie.model.ids import MessageId, PartyId, new_uuid7
from intertie.run.verifiers import VERIFIERS
from intertie.seal.cms import Digest, sign, signing_time
from intertie.seal.encoding import from_base64url, to_base64url
from intertie.seal.evidence_file import verify_file
from intertie.seal.translated_report import TranslatedReport


def delivered(*quirks: Quirk, **terms: object) -> tuple[Two, dict[PartyId, MessageId]]:
    """A message that came, and its id at each side."""
    two = Two(*quirks, **terms)
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
    assert report.author_key == key_of(UTILITY).pem.decode() and report.answered == "processed"
    mine = "our own key"
    assert (report.author_key_from == mine) is (party == UTILITY)
    assert (report.answer_key_from == mine) is (party == AGGREGATOR)


def test_without_the_certificate_that_signed_there_is_no_evidence() -> None:
    two, ids = delivered()
    two.change(UTILITY, certificates=(stranger().pem.decode(),))
    with pytest.raises(NoEvidenceError, match="none of the keys"):
        export(two.gateways[UTILITY], ids[UTILITY], two.now)
    # What came is kept with the certificate that verified it, and that counts also after it was replaced.
    two.change(AGGREGATOR, certificates=(stranger().pem.decode(),))
    report = checked(export(two.gateways[AGGREGATOR], ids[AGGREGATOR], two.now), two)
    assert report.author_key == key_of(UTILITY).pem.decode() and "was, when it came" in report.author_key_from


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


def test_the_verifier_knows_whose_signature_it_is() -> None:
    two, ids = delivered()
    row = two.gateways[AGGREGATOR].store.message(ids[AGGREGATOR], outgoing=False)
    assert row is not None
    signed = original_of(row.body) or b""
    facts = As2Verifier().check(signed, key_of(UTILITY).pem.decode())
    assert ids[AGGREGATOR] in facts.names and facts.sender == "UTILITY" and facts.recipient == "Sun & Wind"
    for key, code in ((stranger().pem.decode(), Code.SIGNATURE_INVALID), ("no key", Code.SIGNATURE_INVALID)):
        with pytest.raises(Refused) as caught:
            As2Verifier().check(signed, key)
        assert caught.value.code is code
    with pytest.raises(Refused) as caught:
        As2Verifier().check(b"nothing", key_of(UTILITY).pem.decode())
    assert caught.value.code is Code.SCHEMA
    with pytest.raises(Refused) as caught:
        As2Verifier().check(signed.replace(b"BGN", b"BGM"), key_of(UTILITY).pem.decode())
    assert caught.value.code is Code.SIGNATURE_INVALID


def test_an_id_is_ours_or_derived_and_of_its_sender_alone() -> None:
    uuid = new_uuid7(Two().now)
    assert ids_of("A", f"<{uuid}@a>")[0] == uuid and len(ids_of("A", "<1@a>")) == 1
    assert ids_of("A", "<1@a>") == ids_of("A", "<1@a>") != ids_of("B", "<1@a>")


def test_a_signature_says_when() -> None:
    key = key_of(UTILITY)
    at = signing_time(sign(b"x", key.key, key.certificate, Digest.SHA256))
    assert at is not None and abs(datetime.now(UTC) - at) < timedelta(minutes=5)
