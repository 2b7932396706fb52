"""What protection costs a message: a parcel signed, sealed, opened and verified, by profile and size of the parcel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench import primitives
from bench.measure import OURS, PRIMITIVES, Call, Case, Job, Scale
from bench.world import MESSAGE_BYTES, NOW, World, issuer_of, messages, world
from intertie.model.ids import new_parcel_id
from intertie.seal import x509_path
from intertie.seal.certificates import party_of_certificate, public_key_of
from intertie.seal.encoding import write_canonical
from intertie.seal.jws import read_jws, sign_json
from intertie.seal.keys import SigningKey
from intertie.seal.parcel import (
    MANIFEST_BYTES_MAX,
    MANIFEST_TYP,
    Frame,
    Opened,
    SealedParcel,
    Verified,
    _assemble,
    open_frame,
    read_frame,
    read_manifest,
    verify_manifest,
)
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.tree import leaf_hash, root

FIRST = "verify first"
ACTS = ("sign", "seal", "open", "verify", FIRST)


def plan(scale: Scale) -> list[Job]:
    """Each act, for each profile and size of a parcel."""
    return [
        partial(case, PROFILES[name], count, act)
        for name in PROFILES
        for count in scale.counts
        for act in ACTS
    ]


@contextmanager
def case(profile: Profile, count: int, act: str) -> Iterator[Case]:
    """`sign`: the tree and the signed manifest. `seal`: that, and encryption. `open`: decryption and splitting.
    `verify`: certificates that were seen before, signatures and the tree. `verify first`: with certificates that were
    not, so that the authority's signatures under them are verified too."""
    calls = _Parcel(world(), profile, count).calls(act)
    yield Case(profile.name, count, act, calls, forget_certificates if act == FIRST else nothing)


def nothing() -> None:
    """What has to be done before most acts."""


def forget_certificates() -> None:
    """As in a process that has just begun."""
    x509_path._FOUND.clear()
    public_key_of.cache_clear()
    party_of_certificate.cache_clear()


class _Parcel:
    """A parcel on both sides, and the floor of each act."""

    def __init__(self, world: World, profile: Profile, count: int) -> None:
        self.world = world
        self.profile = profile
        self.messages = messages(count)
        self.signers: list[SigningKey] = [world.sender.signing[alg] for alg in profile.signatures]
        self.public = world.sender.public()
        self.recipient = world.recipient.public()
        self.sealed = self.seal()
        self.frame: Frame = read_frame(self.sealed.blob, limit=len(self.sealed.blob))
        self.opened: Opened = open_frame(self.frame, world.recipient)
        jws = read_jws(self.sealed.manifest, MANIFEST_TYP, limit=MANIFEST_BYTES_MAX)
        self.manifest = read_manifest(jws.payload)
        self.signing_input = jws.signatures[0].signing_input
        self.plaintext_bytes = len(self.sealed.manifest) + count * (MESSAGE_BYTES + 4)

    def calls(self, act: str) -> dict[str, Call]:
        """Ours, and the primitives that it cannot do without."""
        signatures = [primitives.sign(signer.key, self.signing_input) for signer in self.signers]
        tree = primitives.hash_tree(self.messages)
        encryption = (primitives.encapsulate(self.profile), primitives.encrypt(self.plaintext_bytes))
        ours, floor = {
            "sign": (self.sign, (tree, *signatures)),
            "seal": (self.seal, (tree, *signatures, *encryption)),
            "open": (
                self.open,
                (primitives.decapsulate(self.profile), primitives.decrypt(self.plaintext_bytes)),
            ),
            "verify": (self.verify, (*self._signatures(), tree)),
            FIRST: (self.verify, (*self._signatures(), *self._certificates(), tree)),
        }[act]
        return {OURS: ours, PRIMITIVES: primitives.together(*floor)}

    def _signatures(self) -> list[Call]:
        return [primitives.verify(signer.key, self.signing_input) for signer in self.signers]

    def _certificates(self) -> list[Call]:
        return [
            primitives.verify_certificate(issuer_of(self.world, signer.alg), signer.chain[0])
            for signer in self.signers
        ]

    def sign(self) -> tuple[bytes, bytes]:
        tree_root = root([leaf_hash(message) for message in self.messages])
        return sign_json(write_canonical(self.manifest), MANIFEST_TYP, self.signers), tree_root

    def seal(self) -> SealedParcel:
        return _assemble(
            self.messages,
            parcel=new_parcel_id(NOW),
            recipient=self.recipient,
            seq=1,
            created=NOW,
            profile=self.profile,
            keys=self.world.sender,
        )

    def open(self) -> Opened:
        return open_frame(self.frame, self.world.recipient)

    def verify(self) -> Verified:
        return verify_manifest(self.frame, self.opened, self.public, self.world.trust, NOW)
