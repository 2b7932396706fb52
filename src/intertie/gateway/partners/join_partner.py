"""Becoming partners by a one-time code: both sides of the exchange, without the wire. What it proves, seal/joining.py says.

    inviter  invite ──code, by any way──▶ joiner  enter_code
             offer  ◀──── hello ─────────         greet
                    ───── offer ────────▶         review
             take   ◀──── answer ────────         answer
                    ───── done ─────────▶         finish

Every step can be repeated with the same values: a crash on either side is mended by the same command again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import msgspec

from intertie.exchange.joining import Event, JoinRefused, Reason, State, Terms, step, trial_of, within
from intertie.exchange.joining_messages import (
    Answer,
    DescriptorText,
    Done,
    Hash,
    Hello,
    Invitation,
    Offer,
    RootsText,
)
from intertie.gateway.gateway import Gateway
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import PartyId, PartyName, ShortText
from intertie.model.record import Record
from intertie.seal.certificates import TrustStore
from intertie.seal.descriptor import Descriptor, read_descriptor
from intertie.seal.encoding import write_canonical
from intertie.seal.joining import (
    NONCE_BYTES,
    JoinCode,
    commitment,
    derive_keys,
    digest_of,
    new_code,
    prove,
    proves,
    words_of,
    write_code,
)

# Somebody reads the code out, somebody types it; who is wrong this often is guessing, or in between.
WRONG_MAX = 10


class Other(Record, frozen=True, kw_only=True):
    """The other side as the exchange gave it; its words are what people compare."""

    party: PartyName
    descriptor: DescriptorText
    roots: RootsText
    covers: tuple[str, ...] = ()
    transcript: Hash
    words: str


class Joining(Record, frozen=True, kw_only=True):
    """One side's record of a joining. `root` and `token` are the inviter's (seal.joining.JoinKeys), `root` also the
    joiner's until the words are confirmed; the code itself is kept nowhere."""

    id: Invitation
    side: Literal["inviter", "joiner"]
    state: State
    made: datetime
    end: datetime
    address: str
    terms: Terms = Terms()
    root: str = ""
    token: str = ""
    salt: str = ""
    wrong: int = 0
    nonce: str = ""
    commitment: str = ""
    other: Other | None = None
    why: ShortText = ""


class JoiningBook(Protocol):
    """The joinings of this gateway, kept durably. Raises SettingsError."""

    def find(self, invitation: str) -> Joining | None:
        """The joining with this id, or None."""

    def all(self) -> Sequence[Joining]:
        """All joinings, oldest first."""

    def put(self, joining: Joining) -> None:
        """Keep it, whole or not at all."""

    def door_file(self, make: Callable[[], bytes]) -> Path:
        """The file with key and certificate of the joining door, made when there is none."""

    def alone(self) -> AbstractContextManager[None]:
        """While it is entered nobody else, in any process, changes a joining."""


class Ourselves(NamedTuple):
    """What we send of ourselves: our signed descriptor, and the roots that our certificates stand under (PEM)."""

    descriptor: bytes
    roots: bytes


class Review(NamedTuple):
    """The inviter as its verified offer shows it, before anything of ours is sent."""

    descriptor: Descriptor
    terms: Terms
    offer: Offer
    transcript: bytes


def invite(
    gateway: Gateway, book: JoiningBook, terms: Terms, address: str, now: datetime, end: datetime, by: str
) -> tuple[str, Joining]:
    """Open an invitation until `end`; the code, which is not kept, and the record."""
    code = new_code(address, end)
    keys = derive_keys(code)
    joining = Joining(
        id=code.invitation,
        side="inviter",
        state=State.INVITED,
        made=now,
        end=code.end,
        address=address,
        terms=terms,
        root=keys.root.hex(),
        token=hashlib.sha256(keys.token).hexdigest(),
        salt=os.urandom(NONCE_BYTES).hex(),
    )
    note(gateway, f"partner invited by {by}", terms.party, write_canonical(terms), now)
    with book.alone():
        book.put(joining)
    return write_code(code), joining


def open_invitations(book: JoiningBook, now: datetime) -> list[Joining]:
    """The invitations for which the door stands open; those whose time is over end here."""
    found = []
    for joining in book.all():
        if joining.side != "inviter" or joining.state not in (State.INVITED, State.JOINED):
            continue
        if now < joining.end:  # one that joined may have lost our answer, and asks again
            found.append(joining)
        elif joining.state is State.INVITED:
            with book.alone():
                latest = book.find(joining.id) or joining
                if latest.state is State.INVITED:
                    book.put(_ended(latest, Event.EXPIRE, "nobody joined in time"))
    return found


# The inviter's side


def offer(book: JoiningBook, ours: Ourselves, hello: Hello, certificate: bytes, now: datetime) -> Offer:
    """The answer to a hello that proves the code over this connection. Raises JoinRefused; wrong proofs are counted."""
    with book.alone():
        joining = book.find(hello.invitation)
        if joining is None or joining.side != "inviter":
            raise JoinRefused(Reason.WRONG_CODE)
        _check_hello(book, joining, hello, certificate)
    _check_open(joining, hello, now)
    return _offer(joining, ours, hello, certificate)


def take(
    gateway: Gateway,
    book: JoiningBook,
    ours: Ourselves,
    hello: Hello,
    answer: Answer,
    certificate: bytes,
    now: datetime,
) -> Done:
    """Keep who joined, once everything it says is proved. A repeat of what was kept gets the same answer.

    Raises JoinRefused; StoreError or SettingsError if it could not be kept, and then it was not.
    """
    with book.alone():
        joining = book.find(hello.invitation)
        if joining is None:
            raise JoinRefused(Reason.WRONG_CODE)
        _check_open(joining, hello, now)
        root = bytes.fromhex(joining.root)
        said = _offer(joining, ours, hello, certificate)
        transcript = _answered(_offered(hello, said, certificate), answer)
        promised = commitment(
            joining.id, bytes.fromhex(answer.nonce), answer.descriptor.encode(), answer.roots.encode()
        )
        proved = (
            proves(bytes.fromhex(answer.proof), root, "answer", transcript)
            and hashlib.sha256(bytes.fromhex(answer.token)).hexdigest() == joining.token
            and promised.hex() == hello.commitment
        )
        if not proved:
            _count_wrong(book, joining)
            raise JoinRefused(Reason.WRONG_CODE)
        if joining.other is None:
            _keep_joiner(gateway, book, joining, hello, answer, transcript, now)
        elif joining.other.transcript != transcript.hex():
            raise JoinRefused(Reason.USED)
    return Done(proof=prove(root, "done", transcript).hex())


def _check_hello(book: JoiningBook, joining: Joining, hello: Hello, certificate: bytes) -> None:
    proof = bytes.fromhex(hello.proof)
    root = bytes.fromhex(joining.root)
    if not root or not proves(proof, root, "hello", *_greeting(hello, certificate)):
        _count_wrong(book, joining)
        raise JoinRefused(Reason.WRONG_CODE)


def _check_open(joining: Joining, hello: Hello, now: datetime) -> None:
    """Only who has the code learns why it does not let in."""
    if joining.state is State.CANCELLED:
        raise JoinRefused(Reason.CANCELLED)
    if joining.state is State.EXPIRED or now >= joining.end:
        raise JoinRefused(Reason.EXPIRED)
    if joining.state is not State.INVITED and joining.commitment != hello.commitment:
        raise JoinRefused(Reason.USED)


def _count_wrong(book: JoiningBook, joining: Joining) -> None:
    """One more wrong proof; too many close the invitation. One that was joined stays: its door is shut to others anyway."""
    if joining.state is not State.INVITED:
        return
    joining = msgspec.structs.replace(joining, wrong=joining.wrong + 1)
    if joining.wrong >= WRONG_MAX:
        joining = _ended(joining, Event.CANCEL, f"{WRONG_MAX} wrong codes")
    book.put(joining)


def _offer(joining: Joining, ours: Ourselves, hello: Hello, certificate: bytes) -> Offer:
    """The same offer for the same hello, so that a repeat needs no memory; nobody can foresee its nonce."""
    nonce = prove(bytes.fromhex(joining.salt), "nonce", *_greeting(hello, certificate))[:NONCE_BYTES]
    draft = Offer(
        nonce=nonce.hex(),
        descriptor=ours.descriptor.decode(),
        roots=ours.roots.decode(),
        terms=joining.terms,
        proof="",
    )
    proof = prove(bytes.fromhex(joining.root), "offer", _offered(hello, draft, certificate))
    return msgspec.structs.replace(draft, proof=proof.hex())


def _keep_joiner(
    gateway: Gateway,
    book: JoiningBook,
    joining: Joining,
    hello: Hello,
    answer: Answer,
    transcript: bytes,
    now: datetime,
) -> None:
    descriptor = verified(gateway, answer.descriptor, answer.roots, now)
    if joining.terms.party not in (None, descriptor.party):
        raise JoinRefused(Reason.OTHER_PARTY, joining.terms.party or "")
    if not within(answer.covers, joining.terms.covers):
        raise JoinRefused(Reason.OTHER_TERMS)
    check_new(gateway, book, joining, descriptor.party)
    _keep(gateway, book, joining, hello.commitment, descriptor.party, answer, answer.covers, transcript, now)


def check_new(gateway: Gateway, book: JoiningBook, joining: Joining, party: PartyId) -> None:
    """JoinRefused if the other side is ourselves, a partner, or has joined by another invitation."""
    waiting = {
        one.other.party
        for one in book.all()
        if one.other is not None and one.state is State.JOINED and one.id != joining.id
    }
    if party == gateway.party.id or party in waiting or gateway.partners.find(party) is not None:
        raise JoinRefused(Reason.KNOWN_PARTY, party)


# The joiner's side


def enter_code(book: JoiningBook, code: JoinCode, now: datetime) -> Joining:
    """Our record of this code: a new one, or the one of an attempt that broke off."""
    if now >= code.end:
        raise JoinRefused(Reason.EXPIRED)
    with book.alone():
        known = book.find(code.invitation)
        if known is not None:
            if known.side != "joiner":
                raise JoinRefused(Reason.OTHER_PARTY, "it is an invitation of our own")
            if known.state not in (State.INVITED, State.JOINED):
                raise JoinRefused(
                    Reason.CANCELLED if known.state is State.CANCELLED else Reason.USED, known.why
                )
            return known
        joining = Joining(
            id=code.invitation,
            side="joiner",
            state=State.INVITED,
            made=now,
            end=code.end,
            address=code.address,
            nonce=os.urandom(NONCE_BYTES).hex(),
        )
        book.put(joining)
        return joining


def greet(joining: Joining, code: JoinCode, ours: Ourselves, certificate: bytes) -> Hello:
    """The first message, for the connection whose other end showed this certificate."""
    promise = commitment(joining.id, bytes.fromhex(joining.nonce), ours.descriptor, ours.roots)
    hello = Hello(invitation=joining.id, commitment=promise.hex(), proof="")
    proof = prove(derive_keys(code).root, "hello", *_greeting(hello, certificate))
    return msgspec.structs.replace(hello, proof=proof.hex())


def review(
    gateway: Gateway, code: JoinCode, hello: Hello, said: Offer, certificate: bytes, now: datetime
) -> Review:
    """Who invites, and to what, once it has proved that it wrote the code. JoinRefused(CHANGED | BAD_DESCRIPTOR)."""
    transcript = _offered(hello, said, certificate)
    if not proves(bytes.fromhex(said.proof), derive_keys(code).root, "offer", transcript):
        raise JoinRefused(Reason.CHANGED)
    return Review(verified(gateway, said.descriptor, said.roots, now), said.terms, said, transcript)


def answer(joining: Joining, code: JoinCode, ours: Ourselves, seen: Review, covers: Sequence[str]) -> Answer:
    """Our part, and what we accept of the terms."""
    if not within(covers, seen.terms.covers):
        raise JoinRefused(Reason.OTHER_TERMS)
    keys = derive_keys(code)
    draft = Answer(
        nonce=joining.nonce,
        descriptor=ours.descriptor.decode(),
        roots=ours.roots.decode(),
        covers=tuple(covers),
        token=keys.token.hex(),
        proof="",
    )
    proof = prove(keys.root, "answer", _answered(seen.transcript, draft))
    return msgspec.structs.replace(draft, proof=proof.hex())


def finish(
    gateway: Gateway,
    book: JoiningBook,
    joining: Joining,
    code: JoinCode,
    hello: Hello,
    seen: Review,
    sent: Answer,
    done: Done,
    now: datetime,
) -> Joining:
    """Keep the inviter, once it has proved that it kept us. JoinRefused(CHANGED)."""
    root = derive_keys(code).root
    transcript = _answered(seen.transcript, sent)
    if not proves(bytes.fromhex(done.proof), root, "done", transcript):
        raise JoinRefused(Reason.CHANGED)
    with book.alone():
        kept = msgspec.structs.replace(joining, terms=seen.terms, root=root.hex())
        party = seen.descriptor.party
        return _keep(gateway, book, kept, hello.commitment, party, seen.offer, sent.covers, transcript, now)


# Both sides


def verified(gateway: Gateway, descriptor: str, roots: str, now: datetime) -> Descriptor:
    """A descriptor under the roots that came with it. JoinRefused(BAD_DESCRIPTOR)."""
    try:
        return read_descriptor(
            descriptor.encode(), TrustStore.of_pem(roots.encode()), now, policy=gateway.policy
        )
    except Refused as refused:
        raise JoinRefused(Reason.BAD_DESCRIPTOR, f"{refused.code}: {refused.detail}"[:180]) from refused
    except SettingsError as error:
        raise JoinRefused(Reason.BAD_DESCRIPTOR, error.why[:180]) from error


def cancel(gateway: Gateway, book: JoiningBook, invitation: str, now: datetime, by: str) -> Joining:
    """Take an invitation, or a joining that is not live, back. ImpossibleEvent if it is over."""
    with book.alone():
        joining = book.find(invitation)
        if joining is None:
            raise SettingsError(
                f"there is no joining {invitation} here", do="`intertie partner list` shows them."
            )
        ended = _ended(joining, Event.CANCEL, f"cancelled by {by}")
        party = joining.other.party if joining.other else None
        note(gateway, f"partner cancelled by {by}", party, joining.id.encode(), now)
        book.put(ended)
        return ended


def advance(book: JoiningBook, joining: Joining, event: Event) -> Joining:
    """After this event; the secrets have served once the words are confirmed."""
    state = step(joining.state, event, invitation=joining.id)
    joining = msgspec.structs.replace(joining, state=state, root="", token="", salt="", nonce="")
    book.put(joining)
    return joining


def note(gateway: Gateway, what: str, party: PartyId | None, about: bytes, now: datetime) -> None:
    """A line in the journal: what an operator, or the door, did."""
    entry = Entry(
        kind=Kind.ACT, at=now, partner=party, digest=hashlib.sha256(about).hexdigest(), note=what[:200]
    )
    gateway.store.note([entry])


def _keep(
    gateway: Gateway,
    book: JoiningBook,
    joining: Joining,
    promise: str,
    party: PartyId,
    theirs: Offer | Answer,
    covers: Sequence[str],
    transcript: bytes,
    now: datetime,
) -> Joining:
    """Journal first: nothing is kept of which the journal does not know."""
    if joining.state is State.INVITED:
        note(gateway, f"partner joined in {trial_of(joining.id).conversation}", party, transcript, now)
    other = Other(
        party=party,
        descriptor=theirs.descriptor,
        roots=theirs.roots,
        covers=tuple(covers),
        transcript=transcript.hex(),
        words=words_of(bytes.fromhex(joining.root), transcript),
    )
    state = step(joining.state, Event.JOIN, invitation=joining.id)
    joined = msgspec.structs.replace(joining, state=state, commitment=promise, other=other)
    book.put(joined)
    return joined


def _ended(joining: Joining, event: Event, why: str) -> Joining:
    """Final; of the secrets only `root` stays, to tell who has the code why it does not let in any more."""
    state = step(joining.state, event, invitation=joining.id)
    return msgspec.structs.replace(joining, state=state, token="", salt="", nonce="", why=why[:200])


def _greeting(hello: Hello, certificate: bytes) -> tuple[bytes, ...]:
    return hello.invitation.encode(), certificate, bytes.fromhex(hello.commitment)


def _offered(hello: Hello, said: Offer, certificate: bytes) -> bytes:
    """The transcript up to the offer: everything but the proofs."""
    return digest_of(
        b"intertie joining offer",
        *_greeting(hello, certificate),
        bytes.fromhex(said.nonce),
        said.descriptor.encode(),
        said.roots.encode(),
        write_canonical(said.terms),
    )


def _answered(offered: bytes, said: Answer) -> bytes:
    """The whole transcript."""
    return digest_of(
        b"intertie joining answer",
        offered,
        bytes.fromhex(said.nonce),
        said.descriptor.encode(),
        said.roots.encode(),
        write_canonical(said.covers),
    )
