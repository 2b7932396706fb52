"""What a receipt costs a message: signed by the recipient, verified by the sender and held to what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench import primitives
from bench.measure import OURS, PRIMITIVES, Call, Case, Job, Scale
from bench.world import NOW, messages, world
from intertie.model.ids import new_message_id, new_parcel_id
from intertie.seal.jws import read_jws
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.receipt import (
    RECEIPT_BYTES_MAX,
    RECEIPT_TYP,
    JournalHead,
    Outcome,
    Receipt,
    Sent,
    check_receipt_of,
    sign_receipt,
    verify_receipt,
)
from intertie.seal.tree import EMPTY_ROOT, leaf_hash, root

ACTS = ("sign", "verify")


def plan(scale: Scale) -> list[Job]:
    """Both acts, for each profile and size of a parcel."""
    return [
        partial(case, PROFILES[name], count, act)
        for name in PROFILES
        for count in scale.counts
        for act in ACTS
    ]


@contextmanager
def case(profile: Profile, count: int, act: str) -> Iterator[Case]:
    """`sign`: a receipt with an outcome for each message. `verify`: certificates that were seen before (now, and at
    the time that the receipt names), signatures, and each outcome against what was sent."""
    here = world()
    writer, public = here.recipient, here.recipient.public()
    leaves = [leaf_hash(message) for message in messages(count)]
    sent = Sent(new_parcel_id(NOW), here.sender.party, writer.party, leaves)
    receipt = _receipt(sent)
    raw = sign_receipt(receipt, writer, profile)
    data = read_jws(raw, RECEIPT_TYP, limit=RECEIPT_BYTES_MAX).signatures[0].signing_input
    signers = [writer.signing[alg] for alg in profile.signatures]

    def verify() -> None:
        check_receipt_of(verify_receipt(raw, writer=public, trust=here.trust, now=NOW, least=profile), sent)

    calls: dict[str, tuple[Call, list[Call]]] = {
        "sign": (
            lambda: sign_receipt(receipt, writer, profile),
            [primitives.sign(signer.key, data) for signer in signers],
        ),
        "verify": (
            verify,
            [*(primitives.verify(signer.key, data) for signer in signers), primitives.hash_nodes(count)],
        ),
    }
    ours, floor = calls[act]
    yield Case(profile.name, count, act, {OURS: ours, PRIMITIVES: primitives.together(*floor)})


def _receipt(sent: Sent) -> Receipt:
    """Everything accepted, by a journal that has just begun."""
    return Receipt(
        v=1,
        parcel=sent.parcel,
        root=root(sent.leaves).hex(),
        sender=sent.recipient,
        recipient=sent.sender,
        received=NOW,
        outcomes=tuple(
            Outcome(message=new_message_id(NOW), leaf=leaf.hex(), status="accepted") for leaf in sent.leaves
        ),
        journal=JournalHead(size=0, root=EMPTY_ROOT.hex()),
    )
