"""Policy applied to messages, in such a way that nobody can choose anything weaker.

Sending: `seal_parcel` takes a `Protected`, and only `protect` makes one, from the messages themselves: it reads each
header, finds the flow, and computes what it needs. There is no parameter that names a profile, and none to leave out.
Receiving: verification gives a `Proven`, and the flow of a message is had from it, which it only gives to a message
whose own needs the parcel meets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import date
from typing import NamedTuple, final

from intertie.catalogue.admit import Catalogue
from intertie.catalogue.flow import Channel, Flow
from intertie.model.errors import Code, Refused
from intertie.model.message import Header, read_envelope
from intertie.model.party import Role
from intertie.seal.algorithm_table import hybrid_groups
from intertie.seal.jws import Signed
from intertie.seal.keys import PrivateKeys, PublicKeys
from intertie.seal.policy import Requirement, requirement
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.transport import Transport

Roles = frozenset[Role]


class _Key:
    """Held by this file alone."""


_KEY = _Key()


@final
@dataclass(frozen=True, slots=True)
class Protected:
    """Messages for one recipient, with the profile that their own flows need. Made by `protect` and nowhere else."""

    messages: tuple[bytes, ...] = field(repr=False)
    profile: Profile
    recipient: PublicKeys
    keys: PrivateKeys
    made_by: InitVar[_Key]

    def __post_init__(self, made_by: _Key) -> None:
        if made_by is not _KEY:
            raise TypeError("only protect() makes these: what is sealed is protected by policy")


@dataclass(frozen=True)
class PolicyOn:
    """What decides about a message: the flows there are, the settings, and the day. Made anew for each act."""

    catalogue: Catalogue
    settings: PolicySettings
    today: date
    # A parcel has thousands of messages and few flows.
    _found: dict[object, tuple[Flow, Requirement]] = field(default_factory=dict, init=False, repr=False)

    def flow_of(self, header: Header, sender: Roles, recipient: Roles) -> tuple[Flow, Requirement]:
        """A message's flow and what it needs today; Refused(UNKNOWN_FLOW | WRONG_ROLE)."""
        place = header.interface, header.document, header.mode, sender, recipient
        found = self._found.get(place)
        if found is None:
            flow = self.catalogue.admit(header, sender, recipient)
            found = self._found[place] = flow, requirement(flow, self.today, self.settings)
        return found

    def may_need_hybrid(self) -> bool:
        """Whether any flow at all could need a hybrid connection."""
        if self.settings.hybrid_channel_from != "never":
            return True
        return any(flow.channel is Channel.HYBRID for flow in self.catalogue.flows())


class Plan(NamedTuple):
    """What of some messages can go together, and which they are; why others cannot go at all; the rest goes next."""

    protected: Protected | None
    places: tuple[int, ...]
    refused: Mapping[int, Refused]
    channel: Channel  # the connection that it may leave over


def protect(
    messages: Sequence[bytes],
    *,
    keys: PrivateKeys,
    sender_roles: Roles,
    recipient: PublicKeys,
    recipient_roles: Roles,
    policy: PolicyOn,
) -> Plan:
    """The messages that both sides' keys can protect as their flows need; what cannot be, is refused alone.

    They share the strongest profile that one of them needs, and at least the default if both sides can do it; and a
    connection: those that need another one than the first are left for the next parcel, so as not to wait for it.
    """
    able = profiles_of(keys, recipient)
    strongest = max((profile.rank for profile in able), default=-1)
    refused: dict[int, Refused] = {}
    going: list[tuple[int, Requirement]] = []
    for place, raw in enumerate(messages):
        try:
            header = read_envelope(raw).header
            _check_parties(header, keys, recipient)
            flow, needed = policy.flow_of(header, sender_roles, recipient_roles)
            if needed.profile.rank > strongest:
                check_able(header, flow, needed, able, keys, recipient)
        except Refused as error:
            refused[place] = error
            continue
        if not going or going[0][1].channel is needed.channel:
            going.append((place, needed))
    if not going:
        return Plan(None, (), refused, Channel.ANY)
    profile = choose(able, max(needed.profile.rank for _, needed in going), policy.settings)
    places = tuple(place for place, _ in going)
    ready = tuple(messages[place] for place in places)
    return Plan(Protected(ready, profile, recipient, keys, _KEY), places, refused, going[0][1].channel)


def needed_connection(
    messages: Iterable[bytes], sender_roles: Roles, recipient_roles: Roles, policy: PolicyOn
) -> Channel:
    """The connection that a parcel of ours may leave over, first or again: hybrid if one of its messages needs that.

    What no flow allows any more does not decide: its recipient refuses it.
    """
    for raw in messages if policy.may_need_hybrid() else ():
        try:
            _, needed = policy.flow_of(read_envelope(raw).header, sender_roles, recipient_roles)
        except Refused:
            continue
        if needed.channel is Channel.HYBRID:
            return Channel.HYBRID
    return Channel.ANY


def profiles_of(keys: PrivateKeys, recipient: PublicKeys) -> list[Profile]:
    """The profiles that we can sign with, and whose parcels the recipient can open and give a receipt for."""
    signing = set(keys.signing)
    return [p for p in PROFILES.values() if signing.issuperset(p.signatures) and recipient.can_do(p)]


def choose(able: Sequence[Profile], least: int, settings: PolicySettings) -> Profile:
    """Of what both sides can do: the weakest that is enough and not below the default, else the strongest there is.

    `least` is the rank that is needed; one of `able` has it.
    """
    wanted = max(least, settings.default.rank)
    enough = [profile for profile in able if profile.rank >= wanted]
    if enough:
        return min(enough, key=lambda profile: profile.rank)
    return max(able, key=lambda profile: profile.rank)


@final
@dataclass(frozen=True, slots=True)
class Proven:
    """What the verified signatures of a parcel proved of its protection; from it one has the flow of each message."""

    signed: Signed

    @property
    def profile(self) -> Profile:
        """The profile whose signatures it has, all of them: its receipt is signed with the same."""
        return self.signed.profile

    def admit(
        self,
        header: Header,
        *,
        transport: Transport | None,
        sender_roles: Roles,
        recipient_roles: Roles,
        policy: PolicyOn,
    ) -> Flow:
        """The flow of a message, if this protection, and the connection it came over, are what the flow needs today.

        Raises Refused(UNKNOWN_FLOW | WRONG_ROLE | PROTECTION_TOO_WEAK | TRANSPORT_TOO_WEAK).
        """
        flow, needed = policy.flow_of(header, sender_roles, recipient_roles)
        if self.profile.rank < needed.profile.rank:
            detail = (
                f"{flow.key} must hold until {needed.protect_until} and needs {needed.profile.name}, "
                f"the parcel has {self.profile.name}"
            )
            raise Refused(Code.PROTECTION_TOO_WEAK, detail, message=header.id, partner=header.sender)
        group = transport.group if transport is not None else ""
        if needed.channel is Channel.HYBRID and group not in hybrid_groups():
            detail = (
                f"{flow.key} needs a hybrid group, the connection had {group or 'none that it could name'}"
            )
            raise Refused(Code.TRANSPORT_TOO_WEAK, detail, message=header.id, partner=header.sender)
        return flow


def _check_parties(header: Header, keys: PrivateKeys, recipient: PublicKeys) -> None:
    if header.sender != keys.party or header.recipient != recipient.party:
        detail = f"from {header.sender} to {header.recipient}, the parcel goes from {keys.party}"
        raise Refused(Code.HEADER_NOT_PARCEL, detail, message=header.id, partner=recipient.party)


def check_able(
    header: Header,
    flow: Flow,
    needed: Requirement,
    able: Sequence[Profile],
    keys: PrivateKeys,
    recipient: PublicKeys,
) -> None:
    """Whether a message can be protected as its flow needs; also asked when it is written, so that its writer hears of it.

    Refused(PROTECTION_TOO_WEAK) with who lacks what: the person who reads it has to ask somebody for a key.
    """
    if any(profile.rank >= needed.profile.rank for profile in able):
        return
    whose = [
        party
        for party, can in (
            (keys.party, set(needed.profile.signatures) <= set(keys.signing)),
            (recipient.party, recipient.can_do(needed.profile)),
        )
        if not can
    ]
    detail = (
        f"{flow.key} must hold until {needed.protect_until} and needs {needed.profile.name}; "
        f"{' and '.join(whose)} has no keys for it, both can do {', '.join(p.name for p in able) or 'nothing'}"
    )
    raise Refused(Code.PROTECTION_TOO_WEAK, detail, message=header.id, partner=recipient.party)
