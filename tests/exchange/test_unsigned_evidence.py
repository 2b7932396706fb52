"""Evidence of files that nobody signed (SFTP and the like): the partner's bytes and answers, held to the exporter's word and
journal, and to the ids that they say; it says so itself."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.exchange.as2_world import NOTICE
from tests.exchange.file_world import Two
from tests.exchange.house import AGGREGATOR, UTILITY, trial_ca

from intertie.exchange.outbound import State
from intertie.gateway.proving.export_evidence import export
from intertie.gateway.translating.deliver_file import Unsigned
from intertie.gateway.translating.foreign import Level
from intertie.model.errors import Code, EvidenceError, Refused
from intertie.model.ids import MessageId, PartyId, new_uuid7
from intertie.run.verifiers import VERIFIERS
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.evidence_file import verify_file
from intertie.seal.translated_evidence import UNSIGNED
from intertie.seal.translated_report import TranslatedReport


def checked(raw: bytes, two: Two) -> TranslatedReport:
    report = verify_file(raw, trial_ca().trust(), two.now, verifiers=VERIFIERS)
    assert isinstance(report, TranslatedReport)
    return report


def told(format: str) -> tuple[Two, MessageId]:
    """The utility said something, and has an answer."""
    two = Two(format, received=Level.BUSINESS)
    message = two.say(UTILITY)
    two.carry(UTILITY)
    two.carry(AGGREGATOR)
    assert two.state(UTILITY, message)[0] is State.ACCEPTED
    return two, message


@pytest.mark.parametrize("party", [UTILITY, AGGREGATOR])
@pytest.mark.parametrize("format", ["x12", "csv", "json"])
def test_both_sides_prove_what_went_and_what_came(format: str, party: PartyId) -> None:
    two, message = told(format)
    report = checked(export(two.gateways[party], message, two.now), two)
    assert (report.message, report.sender, report.by, report.binding) == (message, UTILITY, party, "sftp")
    assert report.algorithm == "" and report.answered is not None
    ours = party == UTILITY
    assert report.author_key_from == "our own" if ours else "log-in" in report.author_key_from
    text = report.text()
    assert "signed     by nobody" in text and f"is {party}'s word and its journal's" in text


@pytest.mark.parametrize("party", [UTILITY, AGGREGATOR])
def test_the_partners_bytes_and_the_answer_are_in_it(party: PartyId) -> None:
    two, message = told("csv")
    file = json.loads(export(two.gateways[party], message, two.now))
    kept = json.loads(from_base64url(file["message"]))
    assert kept["translated"]["binding"] == "sftp"
    (sent,) = [one.content for one in two.trays[UTILITY].put if one.about == message]
    assert sent in base64.b64decode(kept["translated"]["signed"])
    assert message.encode() in from_base64url(file["answer"])


def test_changed_bytes_are_found() -> None:
    two, message = told("csv")
    file = json.loads(export(two.gateways[AGGREGATOR], message, two.now))
    file["answer"] = to_base64url(from_base64url(file["answer"]) + b" ")
    with pytest.raises(EvidenceError) as caught:
        checked(canonical(file), two)
    assert caught.value.step == 48
    file = json.loads(export(two.gateways[AGGREGATOR], message, two.now))
    file["message"] = to_base64url(
        from_base64url(file["message"]).replace(b"outage_notice", b"outage_noticf")
    )
    with pytest.raises(EvidenceError) as caught:
        checked(canonical(file), two)
    assert caught.value.step == 44


def canonical(file: dict[str, Any]) -> bytes:
    raw: bytes = write_canonical(file)
    return raw


def test_an_original_that_says_another_id_is_another_message() -> None:
    """Its exporter cannot pass off one file for another that says its own id."""
    verifier = Unsigned("sftp")
    other = new_uuid7(Two("json").now)
    facts = verifier.check(json.dumps({"document": "x", "id": other}).encode(), UNSIGNED)
    assert facts.names == (other,)
    two, message = told("json")
    other_two, other_message = told("json")
    mine, theirs = (
        json.loads(export(one.gateways[AGGREGATOR], name, one.now))
        for one, name in ((two, message), (other_two, other_message))
    )
    with pytest.raises(EvidenceError):
        checked(canonical(mine | {"message": theirs["message"]}), two)


def test_nobodys_key_verifies_it() -> None:
    with pytest.raises(Refused) as caught:
        Unsigned("sftp").check(b"anything", "ssh-ed25519 AAAA")
    assert caught.value.code is Code.SIGNATURE_INVALID


def test_a_partners_own_names_are_held_to_the_journal_alone() -> None:
    """A spreadsheet's `message` is no id of ours: the bytes name nothing, and the statement does."""
    two = Two("csv", received=Level.BUSINESS)
    two.say(UTILITY, replace(NOTICE, outage="OUT-7"))
    (file,) = two.carry(UTILITY)
    head, line = file.content.decode().splitlines()[:2]
    at = head.split(",").index("message")
    cells = line.split(",")
    cells[at] = "mine-1"
    fresh = Two("csv", received=Level.BUSINESS)
    fresh.take(AGGREGATOR, f"{head}\r\n{','.join(cells)}\r\n".encode())
    [row] = fresh.inbox(AGGREGATOR)
    report = checked(export(fresh.gateways[AGGREGATOR], row.id, fresh.now), fresh)
    assert report.message == row.id and report.answered is not None
