"""Evidence of a message that came or went in a partner's own protocol: its author's signed bytes, and by which key.

Such a protocol has pinned keys and no certificates that lead to our trust roots. So who exports says, under its own certificates,
which key was pinned for the partner and where that is from, and which lines its journal has about message and answer; and who
checks verifies the protocol's own signatures again, with the verifier of its binding. docs/evidence.md numbers the steps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Final, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from intertie.model.errors import Code, EvidenceError, Refused
from intertie.model.ids import WORD, PartyId, PartyName, ShortText
from intertie.model.message import KEY_MAX, Header, Original, original_bytes, read_envelope
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.checkpoint import Size, signers_of
from intertie.seal.encoding import (
    from_base64url,
    read_canonical,
    read_whole,
    require_utc,
    to_base64url,
    write_canonical,
)
from intertie.seal.evidence_stamp import PROOF_MAX
from intertie.seal.jws import read_jws, sign_json
from intertie.seal.keys import PrivateKeys
from intertie.seal.profile import PROFILES, Profile, profile_of_algorithms
from intertie.seal.receipt import JournalHead, Sha256
from intertie.seal.signed_part import (
    FileChains,
    TextChains,
    check_algorithms,
    check_signed,
    read_chains,
    step,
    write_chains,
)
from intertie.seal.translated_report import TranslatedReport, report_of
from intertie.seal.tree import HASH_BYTES, leaf_hash, verify_inclusion

KIND: Final = "translated"
STATEMENT_TYP = "intertie-translated+jws"
# With the signatures of hybrid-high and two keys of 8 kB a statement is 25 KB.
STATEMENT_BYTES_MAX = 64 * 1024
# The largest message in base64, the largest answer, and the rest.
FILE_BYTES_MAX = 48 * 1024 * 1024
# A line about the message, and one about the answer.
LINES_MAX = 2
PROFILE = PROFILES["hybrid"]
# What protocols of partners sign with: no algorithm of theirs outlives these.
FOREIGN = PROFILES["classical"]

STEP_FILE = 40
STEP_STATEMENT = 41
STEP_CERTIFICATES = 42
STEP_SIGNATURES = 43
STEP_MESSAGE = 44
STEP_BINDING = 45
STEP_ORIGINAL = 46
STEP_SAME = 47
STEP_ANSWER = 48
STEP_JOURNAL = 49
STEP_ALGORITHMS = 50


# The algorithm, and the key, of protocols in which nobody signs.
UNSIGNED: Final = "none"
# When they were signed.
NEVER: Final = datetime.min.replace(tzinfo=UTC)


class ForeignFacts(NamedTuple):
    """What signed bytes of another protocol say, once their key has verified; what nobody signed may name no message."""

    names: tuple[str, ...]  # the ids that this message may have here
    sender: str
    recipient: str
    created: datetime
    answers: tuple[str, ...] = ()  # of an answer: the ids that the message may have here that it answers
    result: str = ""


class ForeignVerifier(Protocol):
    """What a binding gives to whoever checks evidence, offline."""

    algorithm: str

    def check(self, signed: bytes, key: str) -> ForeignFacts:
        """Refused(SIGNATURE_INVALID) if this key did not sign these bytes, Refused(SCHEMA) if they are none of its protocol."""


Verifiers = Mapping[str, ForeignVerifier]


class PinnedKey(Record, frozen=True, kw_only=True):
    """A key as its protocol writes it, and where it is from."""

    key: Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]
    source: ShortText


class Statement(Record, frozen=True, kw_only=True):
    """What the exporting party signs. `leaf` is of our message, `answer` the SHA-256 of the answer's signed bytes."""

    v: Literal[1]
    by: PartyName
    at: datetime
    binding: Annotated[str, Meta(pattern=WORD)]
    partner: PartyName
    leaf: Sha256
    author: PinnedKey
    journal: JournalHead
    answer: Sha256 | None = None
    answerer: PinnedKey | None = None

    def check(self) -> None:
        """One spelling; an answer with its key."""
        require_utc("at", self.at)
        if (self.answer is None) != (self.answerer is None):
            raise ValueError("answerer: goes with answer")


class LinePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of the exporter's journal, and what leads from it to the head."""

    index: Size
    entry: str  # base64url of its bytes
    proof: Annotated[tuple[str, ...], Meta(max_length=PROOF_MAX)]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    v: Literal[1]
    kind: Literal["translated"]
    message: str
    statement: msgspec.Raw
    chains: TextChains
    lines: Annotated[tuple[LinePart, ...], Meta(max_length=LINES_MAX)]
    answer: str | None = None


class _Entry(msgspec.Struct, frozen=True):
    """The members of a journal entry that count here."""

    kind: str
    digest: Sha256


_FILE = msgspec.json.Decoder(_File)
_STATEMENT = msgspec.json.Decoder(Statement)
_ENTRY = msgspec.json.Decoder(_Entry)


class JournalLine(NamedTuple):
    """A line of a journal, at its place, with its proof."""

    place: int
    entry: bytes
    proof: Sequence[bytes]


class _Parts(NamedTuple):
    message: bytes
    statement: bytes
    chains: FileChains
    lines: tuple[JournalLine, ...]
    answer: bytes | None


class Translated(NamedTuple):
    """What an exporter hands over."""

    message: bytes
    binding: str
    partner: PartyId
    author: PinnedKey
    head: JournalHead
    lines: Sequence[JournalLine]
    answer: bytes | None = None
    answerer: PinnedKey | None = None


def build_translated(what: Translated, keys: PrivateKeys, now: datetime) -> bytes:
    """The evidence file. Raises Refused(PROTECTION_TOO_WEAK) without the keys of hybrid."""
    statement = Statement(
        v=1,
        by=keys.party,
        at=now,
        binding=what.binding,
        partner=what.partner,
        leaf=leaf_hash(what.message).hex(),
        author=what.author,
        journal=what.head,
        answer=None if what.answer is None else hashlib.sha256(what.answer).hexdigest(),
        answerer=what.answerer,
    )
    signed = sign_json(write_canonical(statement), STATEMENT_TYP, signers_of(keys, PROFILE))
    jws = read_jws(signed, STATEMENT_TYP, limit=STATEMENT_BYTES_MAX)
    return write_canonical(
        _File(
            v=1,
            kind=KIND,
            message=to_base64url(what.message),
            statement=msgspec.Raw(signed),
            chains=write_chains(jws, keys.public().signing, STEP_CERTIFICATES),
            lines=tuple(
                LinePart(
                    index=line.place,
                    entry=to_base64url(line.entry),
                    proof=tuple(to_base64url(node) for node in line.proof),
                )
                for line in what.lines
            ),
            answer=None if what.answer is None else to_base64url(what.answer),
        )
    )


def verify_translated(raw: bytes, roots: TrustStore, now: datetime, verifiers: Verifiers) -> TranslatedReport:
    """What the file proves. Needs the roots, and the verifier of the binding. Raises EvidenceError with the step that failed."""
    parts = _read_file(raw)  # 40
    with step(STEP_STATEMENT):
        jws = read_jws(parts.statement, STATEMENT_TYP, limit=STATEMENT_BYTES_MAX)
        statement = _read_statement(jws.payload)
        profile = profile_of_algorithms(jws.algorithms, statement.by)
    if profile.rank < PROFILE.rank:
        raise EvidenceError(STEP_STATEMENT, f"stated under {profile.name}, {PROFILE.name} is the least")
    check_signed(jws, parts.chains, statement.by, roots, statement.at, (STEP_CERTIFICATES, STEP_SIGNATURES))
    header, original = _message(parts, statement)
    verifier = verifiers.get(statement.binding)
    if verifier is None:
        raise EvidenceError(STEP_BINDING, f"nothing here verifies {statement.binding}")
    with step(STEP_ORIGINAL):
        facts = verifier.check(_signed(original), statement.author.key)
    unsigned = verifier.algorithm == UNSIGNED
    if header.id not in facts.names and (facts.names or not unsigned):
        raise EvidenceError(STEP_SAME, f"what was signed is another message than {header.id}")
    answer = _answer(parts, statement, verifier, header, facts)
    kept_to = [profile] if unsigned else [FOREIGN, profile]
    _check_journal(parts, statement, header)
    ends = check_algorithms(kept_to, now, STEP_ALGORITHMS)
    return _report(header, statement, parts, profile, verifier.algorithm, facts, answer, ends)


def _read_file(raw: bytes) -> _Parts:
    if len(raw) > FILE_BYTES_MAX:
        raise EvidenceError(STEP_FILE, f"larger than {FILE_BYTES_MAX} bytes")
    try:
        file = read_whole(raw, _FILE)
        lines = tuple(
            JournalLine(
                one.index, from_base64url(one.entry), tuple(from_base64url(node) for node in one.proof)
            )
            for one in file.lines
        )
        if any(len(node) != HASH_BYTES for line in lines for node in line.proof):
            raise ValueError("a hash of a proof is not a SHA-256")
        return _Parts(
            message=from_base64url(file.message),
            statement=bytes(file.statement),
            chains=read_chains(file.chains),
            lines=lines,
            answer=None if file.answer is None else from_base64url(file.answer),
        )
    except ValueError as error:
        do = "Use the file exactly as it was exported: it must not be reformatted or edited."
        raise EvidenceError(STEP_FILE, f"not evidence of a translated message: {error}", do=do) from error


def _read_statement(payload: bytes) -> Statement:
    try:
        return read_canonical(payload, _STATEMENT)
    except ValueError as error:
        raise Refused(Code.BAD_MANIFEST, f"not a statement: {error}"[:300]) from error


def _message(parts: _Parts, statement: Statement) -> tuple[Header, Original]:
    """Our message, which is the one of the statement, between its two parties, and holds what its author signed."""
    with step(STEP_MESSAGE):
        envelope = read_envelope(parts.message)
    header, original = envelope.header, envelope.translated
    if leaf_hash(parts.message).hex() != statement.leaf:
        raise EvidenceError(STEP_MESSAGE, "the message is not the one that was stated")
    if {header.sender, header.recipient} != {statement.by, statement.partner}:
        raise EvidenceError(STEP_MESSAGE, f"it is from {header.sender} to {header.recipient}")
    if original is None or original.binding != statement.binding:
        raise EvidenceError(STEP_MESSAGE, f"it holds nothing that was signed in {statement.binding}")
    if original.key and original.key != statement.author.key:
        raise EvidenceError(STEP_MESSAGE, "it was kept as signed by another key than the one stated")
    return header, original


def _signed(original: Original) -> bytes:
    try:
        return original_bytes(original)
    except ValueError as error:
        raise EvidenceError(STEP_ORIGINAL, "what its author signed is not base64") from error


def _answer(
    parts: _Parts, statement: Statement, verifier: ForeignVerifier, header: Header, facts: ForeignFacts
) -> ForeignFacts | None:
    """The answer's signature is its key's; it goes back between the two, and names the message by one of its names."""
    if parts.answer is None or statement.answerer is None:
        if parts.answer is not None or statement.answer is not None:
            raise EvidenceError(STEP_ANSWER, "an answer without its statement, or the other way round")
        return None
    if hashlib.sha256(parts.answer).hexdigest() != statement.answer:
        raise EvidenceError(STEP_ANSWER, "the answer is not the one that was stated")
    with step(STEP_ANSWER):
        answer = verifier.check(parts.answer, statement.answerer.key)
    names = {header.id, *facts.names}
    if names.isdisjoint(answer.answers) and (answer.answers or verifier.algorithm != UNSIGNED):
        raise EvidenceError(STEP_ANSWER, "the answer is to another message")
    if (answer.sender, answer.recipient) != (facts.recipient, facts.sender):
        raise EvidenceError(STEP_ANSWER, f"the answer is from {answer.sender} to {answer.recipient}")
    return answer


def _check_journal(parts: _Parts, statement: Statement, header: Header) -> None:
    """Each line leads to the head that was stated; one is about the message, and, with an answer, one about that."""
    outgoing = header.sender == statement.by
    root, found = bytes.fromhex(statement.journal.root), set()
    for line in parts.lines:
        if not verify_inclusion(leaf_hash(line.entry), line.place, statement.journal.size, line.proof, root):
            raise EvidenceError(STEP_JOURNAL, f"the proof of line {line.place} does not lead to the head")
        try:
            entry = _ENTRY.decode(line.entry)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise EvidenceError(STEP_JOURNAL, f"line {line.place} is no journal entry") from error
        found.add((entry.kind, entry.digest))
    for wanted in wanted_lines(parts.message, parts.answer, outgoing=outgoing):
        if wanted not in found:
            raise EvidenceError(STEP_JOURNAL, f"no line of kind {wanted[0]} about it")


def wanted_lines(message: bytes, answer: bytes | None, *, outgoing: bool) -> list[tuple[str, str]]:
    """Kind and digest of the journal's lines that prove a message and its answer."""
    if outgoing:
        original = read_envelope(message).translated
        signed = b"" if original is None else _signed(original)
        lines = [("parcel_out", hashlib.sha256(signed).hexdigest())]
    else:
        lines = [("message_in", leaf_hash(message).hex())]
    if answer is not None:
        kind = "receipt_in" if outgoing else "receipt_out"
        lines.append((kind, hashlib.sha256(answer).hexdigest()))
    return lines


def _report(
    header: Header,
    statement: Statement,
    parts: _Parts,
    profile: Profile,
    algorithm: str,
    facts: ForeignFacts,
    answer: ForeignFacts | None,
    holds_until: date | None,
) -> TranslatedReport:
    return report_of(
        header,
        profile,
        parts.chains,
        by=statement.by,
        at=statement.at,
        binding=statement.binding,
        algorithm="" if algorithm == UNSIGNED else algorithm,
        leaf=statement.leaf,
        signed_at=facts.created,
        author_key=statement.author.key,
        author_key_from=statement.author.source,
        answered=answer.result if answer else None,
        answered_at=answer.created if answer else None,
        answer_key=statement.answerer.key if statement.answerer else None,
        answer_key_from=statement.answerer.source if statement.answerer else None,
        journal_size=statement.journal.size,
        journal_root=statement.journal.root,
        holds_until=holds_until,
    )
