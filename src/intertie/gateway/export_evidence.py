"""One message with everything that proves it: what a third person needs to verify it alone, offline."""

from __future__ import annotations

from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow, ParcelRow
from intertie.model.errors import IntertieError
from intertie.model.ids import MessageId
from intertie.seal.certificates import Chain
from intertie.seal.evidence import build_evidence
from intertie.seal.jws import Chains, read_jws
from intertie.seal.parcel import MANIFEST_BYTES_MAX, MANIFEST_TYP
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP
from intertie.seal.tree import HASH_BYTES


class NoEvidenceError(IntertieError):
    """The message is not here, or was never sent, so that nothing proves it yet."""


def export(gateway: Gateway, message: MessageId) -> bytes:
    """The evidence file of a message, sent or received. Raises NoEvidenceError."""
    row = gateway.store.message(message)
    if row is None:
        raise NoEvidenceError(
            f"no message {message} here", do="`intertie inbox` and `intertie outbox` list them"
        )
    if row.parcel is None or row.position is None:
        raise NoEvidenceError(
            f"message {message} is {row.state.value}: it is in no parcel yet", do="Wait until it is sent"
        )
    other = row.recipient if row.outgoing else row.sender  # two partners may have chosen the same parcel id
    parcel = gateway.store.parcel(row.parcel, outgoing=row.outgoing, partner=other)
    if parcel is None:
        raise NoEvidenceError(f"parcel {row.parcel} of message {message} is not here")
    return _build(gateway, row, parcel)


def _build(gateway: Gateway, row: MessageRow, parcel: ParcelRow) -> bytes:
    leaves = [parcel.leaves[i : i + HASH_BYTES] for i in range(0, len(parcel.leaves), HASH_BYTES)]
    return build_evidence(
        message=row.body,
        index=row.position or 0,
        leaves=leaves,
        manifest=parcel.manifest,
        sender_chains=_chains(gateway, parcel.manifest, MANIFEST_TYP, MANIFEST_BYTES_MAX),
        receipt=parcel.receipt,
        receiver_chains=(
            None
            if parcel.receipt is None
            else _chains(gateway, parcel.receipt, RECEIPT_TYP, RECEIPT_BYTES_MAX)
        ),
    )


def _chains(gateway: Gateway, signed: bytes, typ: str, limit: int) -> Chains:
    """The chains that these signatures name, as they were kept when it was written or came in: whatever became of the
    party's keys since."""
    found: dict[str, list[Chain]] = {}
    for signature in read_jws(signed, typ, limit=limit).signatures:
        chain = gateway.store.chain(signature.thumbprint)
        if chain is not None:
            found.setdefault(signature.alg, []).append(chain)
    return found
