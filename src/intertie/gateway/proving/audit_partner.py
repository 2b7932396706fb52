"""One partner's journal, audited: every head that we hold of it lies on one growing journal, or the partner is caught.

The partner signs its present head and proves, head by head, that each earlier one grew into it (RFC 9162 s.2.1.4). Where
it cannot, it is asked to sign the root at that size: another root than in the receipt that we hold is evidence of a
rewritten journal, for anybody. What was proven once is not proven again: the head of the last audit stands for all
before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

import msgspec

from intertie.gateway.gateway import Gateway, LinkAnswer, Partner
from intertie.gateway.proving.chains import chains_for
from intertie.gateway.proving.witness import PROOFS_MAX, Proofs, hashes_of
from intertie.journal.checkpoint import Head
from intertie.journal.proof import check_growth
from intertie.model.errors import EvidenceError, PartnerError, Refused
from intertie.model.record import Record
from intertie.seal.checkpoint import Checkpoint, stamped_bytes, verify_checkpoint
from intertie.seal.encoding import from_base64url, read_canonical
from intertie.seal.equivocation import build_equivocation, read_claim
from intertie.seal.timestamp import Stamped, StampError, TsaTrust, verify_stamp

# Before all heads, in the order of (size, root).
FIRST = Head(-1, b"")
# A checkpoint that is older than this when it is asked for is not of the present: a clock is wrong, or it is shown again.
FRESH = timedelta(minutes=5)
# Receipts read at a time while the one with a certain head is looked for.
PAGE = 200

_PROOFS = msgspec.json.Decoder(Proofs)

State = Literal["consistent", "rewritten", "unproven", "unreachable"]


class WitnessLink(Protocol):
    """A way to a partner's pages about journals."""

    async def get(self, partner: Partner, path: str) -> LinkAnswer:
        """The answer, whole; PartnerError when there was none."""


class PartnerAudit(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What an audit found. `consistent`: nothing was rewritten; `rewritten`: proven to anybody by the evidence;
    `unproven`: the partner owes a proof; `unreachable`: it was not asked."""

    party: str
    state: State
    detail: str
    heads: int  # placed by this audit
    size: int | None  # of the partner's journal now
    root: str | None
    stamped: datetime | None = None  # a third party's time over an earlier head of it
    stamped_by: str | None = None


class Audited(NamedTuple):
    """The finding, and the file that proves it if there is one."""

    finding: PartnerAudit
    evidence: bytes | None


class _Caught(Exception):
    """The audit ends with this."""

    def __init__(self, state: State, detail: str, evidence: bytes | None = None) -> None:
        super().__init__(detail)
        self.state = state
        self.detail = detail
        self.evidence = evidence


class _Present(NamedTuple):
    """The partner's signed head."""

    signed: bytes
    said: Checkpoint

    @property
    def head(self) -> Head:
        return Head(self.said.size, bytes.fromhex(self.said.root))


async def audit_partner(
    gateway: Gateway,
    link: WitnessLink,
    partner: Partner,
    now: datetime,
    *,
    everything: bool = False,
    tsa: TsaTrust | None = None,
) -> Audited:
    """Audit what is new since the last audit, or `everything` again. Raises StoreError; what the partner does is a
    finding."""
    audit = _Audit(gateway, link, partner, now, tsa)
    try:
        await audit.run(everything)
    except _Caught as caught:
        return audit.found(caught.state, caught.detail, caught.evidence)
    except PartnerError as error:
        return audit.found("unreachable", str(error))
    return audit.found("consistent", "every head that we hold of it lies on one growing journal")


class _Audit:
    def __init__(
        self, gateway: Gateway, link: WitnessLink, partner: Partner, now: datetime, tsa: TsaTrust | None
    ) -> None:
        self._gateway = gateway
        self._link = link
        self._partner = partner
        self._now = now
        self._tsa = tsa
        self._placed = 0
        self._stamped: Stamped | None = None
        self._present: _Present | None = None

    def found(self, state: State, detail: str, evidence: bytes | None = None) -> Audited:
        head = self._present.head if self._present else None
        finding = PartnerAudit(
            party=self._partner.party,
            state=state,
            detail=detail,
            heads=self._placed,
            size=head.size if head else None,
            root=head.root.hex() if head else None,
            stamped=self._stamped.at if self._stamped else None,
            stamped_by=self._stamped.authority if self._stamped else None,
        )
        return Audited(finding, evidence)

    async def run(self, everything: bool) -> None:
        store, party = self._gateway.store, self._partner.party
        present = await self._checkpoint(None)
        self._present = present
        last = store.proven_head(party)
        if last is not None:
            await self._place([last])
        for heads in self._pages(everything):
            self._check_forks(heads)
            await self._place(heads)
            store.mark_proven(party, heads, self._now)
            self._placed += len(heads)
        await self._check_stamp()
        store.keep_chains(self._partner.keys.chains)
        store.keep_checkpoint(party, self._present.head, self._present.signed, self._now)

    def _pages(self, everything: bool) -> Iterator[list[Head]]:
        """Heads in order of size, as many at a time as one answer proves."""
        store, party = self._gateway.store, self._partner.party
        look = store.witnessed_heads if everything else store.unproven_heads
        after = FIRST
        while heads := look(party, after=after, limit=PROOFS_MAX):
            yield heads
            after = heads[-1]

    def _check_forks(self, heads: Sequence[Head]) -> None:
        """Two of our own heads with one size convict without asking."""
        store, party = self._gateway.store, self._partner.party
        for head in heads:
            same = store.witnessed_heads(party, after=Head(head.size, b""), limit=2)
            others = [other for other in same if other.size == head.size and other != head]
            if others:
                self._convict(
                    head, self._word_for(others[0]), f"two roots of its journal at size {head.size}"
                )

    async def _place(self, heads: Sequence[Head]) -> None:
        """Each of these heads grew into the present one; _Caught otherwise."""
        present = self._present
        assert present is not None
        if heads[-1].size > present.head.size:  # a receipt may have come since we asked
            present = self._present = await self._checkpoint(None)
        for head in heads:
            if head.size > present.head.size:
                what = f"its journal had {head.size} entries, now it has {present.head.size}"
                self._convict(head, present.signed, what)
        proofs = await self._proofs(present.head.size, sorted({head.size for head in heads}))
        for head in heads:
            try:
                check_growth(head, present.head, proofs.get(head.size, []))
            except EvidenceError:
                await self._accuse(head)

    async def _check_stamp(self) -> None:
        """The partner's time stamp, if we believe its authority: over a head that grew into the present one."""
        present = self._present
        word = present.said.stamp if present else None
        if word is None or present is None or self._tsa is None or not self._tsa.roots:
            return
        head = Head(word.size, bytes.fromhex(word.root))
        proofs = await self._proofs(present.head.size, [head.size])
        try:
            check_growth(head, present.head, proofs.get(head.size, []))
            data = stamped_bytes(self._partner.party, *head)
            self._stamped = verify_stamp(from_base64url(word.reply), data, self._tsa)
        except (EvidenceError, StampError, ValueError) as error:
            raise _Caught("unproven", f"its time stamp proves nothing: {error}"[:200]) from error

    async def _accuse(self, head: Head) -> None:
        """No proof that this head grew into the present one: what does the partner say was its root then?"""
        said = await self._checkpoint(head.size)
        if bytes.fromhex(said.said.root) == head.root:
            raise _Caught(
                "unproven", f"it does not prove that its journal of {head.size} entries only grew since"
            )
        self._convict(head, said.signed, f"it says of size {head.size} another root than before")

    def _convict(self, head: Head, other: bytes | None, what: str) -> None:
        """Evidence from what we hold for a head and another signed word; raises _Caught either way."""
        one = self._word_for(head)
        if one is None or other is None:
            raise _Caught("unproven", f"{what}; what it signed before is not kept here")
        try:
            pairs = [
                (raw, chains_for(self._gateway, read_claim(raw)[0], self._partner.party))
                for raw in (one, other)
            ]
            raise _Caught("rewritten", what, build_equivocation(pairs[0], pairs[1]))
        except EvidenceError as error:
            raise _Caught("unproven", f"{what}; no evidence of it yet: {error.why}") from error

    def _word_for(self, head: Head) -> bytes | None:
        """The partner's signature under a head: a checkpoint of an earlier audit, or the receipt that named it."""
        store, party = self._gateway.store, self._partner.party
        kept = store.kept_checkpoint(party, head)
        if kept is not None:
            return kept
        after = 0
        while page := store.signed_parcels(after=after, limit=PAGE, outgoing=True, partner=party):
            for parcel in page:
                if parcel.receipt is not None and _names(parcel.receipt, head):
                    return parcel.receipt
            after = page[-1].number
        return None

    async def _checkpoint(self, size: int | None) -> _Present:
        path = "/journal/checkpoint" + (f"?size={size}" if size is not None else "")
        raw = await self._get(path)
        try:
            said = verify_checkpoint(
                raw,
                writer=self._partner.keys,
                reader=self._gateway.party.id,
                trust=self._gateway.trust,
                now=self._now,
            )
        except Refused as refused:
            raise _Caught("unproven", f"its checkpoint is none: {refused}") from refused
        if (size is None and said.size != said.present) or (size is not None and said.size != size):
            raise _Caught(
                "unproven", f"its checkpoint is of size {said.size}, asked was {size or 'the present'}"
            )
        if said.at < self._now - FRESH:
            raise _Caught(
                "unproven",
                f"its checkpoint is from {said.at.isoformat()}: a clock is wrong, or it is an old one",
            )
        return _Present(raw, said)

    async def _proofs(self, size: int, earlier: Sequence[int]) -> dict[int, list[bytes]]:
        listed = ",".join(map(str, earlier))
        raw = await self._get(f"/journal/growth?size={size}&earlier={listed}")
        try:
            found = read_canonical(raw, _PROOFS)
            return {proof.earlier: hashes_of(proof.hashes) for proof in found.proofs}
        except ValueError as error:
            raise _Caught("unproven", f"its proofs cannot be read: {error}"[:200]) from error

    async def _get(self, path: str) -> bytes:
        answer = await self._link.get(self._partner, path)
        if answer.status != 200:
            page = path.partition("?")[0]
            raise _Caught("unproven", f"it answers {answer.status} when asked for {page}")
        return answer.body


def _names(receipt: bytes, head: Head) -> bool:
    """Whether a receipt commits to this head."""
    try:
        claim = read_claim(receipt)[1]
    except Refused:
        return False
    return (claim.size, claim.root) == (head.size, head.root.hex())
