"""How a document is protected and why: the derivation of each of its flows, and what a partner can do of it."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from intertie.catalogue.admit import Catalogue
from intertie.catalogue.flow import Flow
from intertie.gateway.gateway import Gateway, Partner
from intertie.model.errors import SettingsError
from intertie.model.ids import DocumentName, InterfaceCode
from intertie.model.message import Mode
from intertie.seal.algorithm_table import rule
from intertie.seal.derivation import Derivation, derive
from intertie.seal.keys import PublicKeys
from intertie.seal.policy import Needs
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.protect import choose, profiles_of


class WithPartner(NamedTuple):
    """One flow with one partner. `used` is None where the flow is refused: one side has no keys for what it needs."""

    we_send: bool
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    used: Profile | None
    text: str


class Explained(NamedTuple):
    """One flow, its derivation, and what becomes of it with the partner that was asked about."""

    flow: Flow
    derivation: Derivation
    partner: WithPartner | None


def find_flows(
    catalogue: Catalogue, interface: InterfaceCode, document: DocumentName, mode: Mode | None
) -> tuple[Flow, ...]:
    """The flows that a person asks about; SettingsError says what there is instead."""
    if interface not in catalogue.interfaces:
        raise SettingsError(
            f"there is no interface {interface!r}", do=f"The codes are {', '.join(catalogue.interfaces)}."
        )
    flows = catalogue.find_flows(document, interface)
    if not flows:
        known = sorted({flow.document for flow in catalogue.interfaces[interface].flows})
        raise SettingsError(
            f"interface {interface} does not carry {document!r}", do=f"It carries {', '.join(known)}."
        )
    found = tuple(flow for flow in flows if mode is None or flow.mode is mode)
    if not found:
        modes = sorted({str(flow.mode) for flow in flows})
        raise SettingsError(f"{document} on {interface} is not {mode}", do=f"Its modes: {', '.join(modes)}.")
    return found


def explain(flows: tuple[Flow, ...], today: date, settings: PolicySettings) -> list[Explained]:
    """Each flow with its derivation on a day."""
    return [Explained(flow, _derived(flow, today, settings), None) for flow in flows]


def explain_with(gateway: Gateway, partner: Partner, flows: tuple[Flow, ...], today: date) -> list[Explained]:
    """The flows that run between us and a partner; SettingsError if none of them does."""
    found = []
    for flow in flows:
        sends = flow.sender in gateway.party.roles and flow.recipient in partner.roles
        takes = flow.sender in partner.roles and flow.recipient in gateway.party.roles
        if sends or takes:
            derivation = _derived(flow, today, gateway.policy)
            found.append(Explained(flow, derivation, _with(gateway, partner, derivation, we_send=sends)))
    if not found:
        roles = (
            f"we hold {', '.join(sorted(gateway.party.roles))}, it holds {', '.join(sorted(partner.roles))}"
        )
        raise SettingsError(
            f"none of these flows runs between us and {partner.party}: {roles}", do="Leave out --partner."
        )
    return found


def _derived(flow: Flow, today: date, settings: PolicySettings) -> Derivation:
    source = f"{rule('catalogue').source}, {flow.source}; how long is a proposal (docs/interfaces.md)"
    return derive(Needs.of(flow), today, settings, source=source)


def _with(gateway: Gateway, partner: Partner, derivation: Derivation, *, we_send: bool) -> WithPartner:
    keys, needed = gateway.keys, derivation.profile
    ours, theirs = _can(keys.public()), _can(partner.keys)
    able = profiles_of(keys, partner.keys)
    if not any(profile.rank >= needed.rank for profile in able):
        lacks = [
            party for party, can in ((keys.party, ours), (partner.party, theirs)) if needed.name not in can
        ]
        text = f"refused before a byte leaves: {' and '.join(lacks)} has no keys for {needed.name}"
        return WithPartner(we_send, ours, theirs, None, text)
    if not we_send:
        text = f"{partner.party} sends it, and nothing weaker than {needed.name} is accepted"
        return WithPartner(we_send, ours, theirs, needed, text)
    used = choose(able, needed.rank, gateway.policy)
    default = gateway.policy.default
    if used.rank < default.rank:
        text = f"we send {used.name}: {partner.party} can do no more, and the flow allows it"
    elif used.rank > needed.rank:
        text = f"we send {used.name}: more than the flow needs, as the default is {default.name}"
    else:
        text = f"we send {used.name}: what the flow needs"
    return WithPartner(we_send, ours, theirs, used, text)


def _can(keys: PublicKeys) -> tuple[str, ...]:
    return tuple(name for name, profile in PROFILES.items() if keys.can_do(profile))
