"""Protection, for whoever has to answer for it: every flow with the profile that its needs come to, the derivation step by step,
and what falls short of the policy now or soon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol

from intertie.catalogue.flow import Flow
from intertie.catalogue.view import latency, protect_for
from intertie.gateway.gateway import Gateway
from intertie.gateway.operating.check_policy import Dates, Finding, check_policy, flows_between
from intertie.gateway.operating.explain_policy import Explained, explain, explain_with, find_flows
from intertie.gateway.sending.send_message import find_partner
from intertie.model.errors import SettingsError
from intertie.model.ids import DocumentName, InterfaceCode, PartyId
from intertie.model.message import Mode
from intertie.seal.algorithm_table import parts_of
from intertie.seal.policy import requirement
from intertie.seal.policy_settings import PolicySettings

# How far a person looks ahead; a century, as the command.
AHEAD_DAYS_MAX = 36_500


class HeldKeys(Protocol):
    """What the gateway's folder knows and the acts do not: ages of keys, ends of descriptors, and all that is in use."""

    def dates(self) -> Dates:
        """Until when descriptors are valid, and since when keys are in use."""

    def inventory(self, now: datetime) -> bytes:
        """The cryptographic inventory, as CycloneDX 1.6 in JSON; nothing private is in it."""


class FlowRow(NamedTuple):
    """A flow and what follows from its needs on a day."""

    key: str
    interface: InterfaceCode
    document: DocumentName
    mode: str
    sender: str
    recipient: str
    confidentiality: str
    integrity: str
    latency: str
    protect_for: str
    profile: str
    channel: str
    protect_until: date
    ours: bool  # it can run between us and one of our partners


class FlowTable(NamedTuple):
    """All flows of an interface, and the interfaces there are."""

    interfaces: tuple[InterfaceCode, ...]
    interface: InterfaceCode
    on: date
    rows: tuple[FlowRow, ...]


class Alike(NamedTuple):
    """Flows with the same derivation, which is told once, and the names of the algorithms that follow."""

    flows: tuple[Flow, ...]
    explained: Explained
    algorithms: tuple[str, ...]


class Findings(NamedTuple):
    """What falls short, the worst first."""

    within_days: int
    now: tuple[Finding, ...]
    soon: tuple[Finding, ...]


def flow_table(gateway: Gateway, interface: str, on: date) -> FlowTable:
    """The flows of an interface; of the first if none is named. SettingsError if there is none of this code."""
    known = tuple(gateway.catalogue.interfaces)
    chosen = InterfaceCode(interface.upper()) if interface else known[0]
    if chosen not in gateway.catalogue.interfaces:
        raise SettingsError(f"there is no interface {chosen!r}", do=f"The codes are {', '.join(known)}.")
    ours = frozenset(flow.key for flow in _between(gateway))
    rows = tuple(
        _row(flow, on, gateway.policy, flow.key in ours)
        for flow in gateway.catalogue.interfaces[chosen].flows
    )
    return FlowTable(known, chosen, on, rows)


def _between(gateway: Gateway) -> Iterable[Flow]:
    roles = {partner.roles for partner in gateway.partners.all() if not partner.suspended}
    for theirs in roles:
        yield from flows_between(gateway.catalogue, gateway.party.roles, theirs)


def _row(flow: Flow, on: date, settings: PolicySettings, ours: bool) -> FlowRow:
    needed = _requirement(flow, on, settings)
    return FlowRow(
        key=flow.key,
        interface=flow.interface,
        document=flow.document,
        mode=flow.mode.value,
        sender=flow.sender.value,
        recipient=flow.recipient.value,
        confidentiality=str(flow.confidentiality),
        integrity=str(flow.integrity),
        latency=latency(flow),
        protect_for=protect_for(flow),
        profile=needed[0],
        channel=needed[1],
        protect_until=needed[2],
        ours=ours,
    )


def _requirement(flow: Flow, on: date, settings: PolicySettings) -> tuple[str, str, date]:
    found = requirement(flow, on, settings)
    return found.profile.name, str(found.channel), found.protect_until


def derivations(
    gateway: Gateway,
    interface: str,
    document: str,
    mode: Mode | None,
    partner: PartyId | None,
    on: date,
) -> tuple[Alike, ...]:
    """How a document is protected, with a partner or in general. SettingsError, Refused if this is no partner."""
    flows = find_flows(gateway.catalogue, InterfaceCode(interface.upper()), DocumentName(document), mode)
    if partner is not None:
        found = explain_with(gateway, find_partner(gateway, partner), flows, on)
    else:
        found = explain(flows, on, gateway.policy)
    return alike(found)


def alike(found: Sequence[Explained]) -> tuple[Alike, ...]:
    """Those with the same derivation and the same outcome together, in the order of their first flows."""
    groups: dict[str, list[Explained]] = {}
    for one in found:
        groups.setdefault(repr((one.derivation, one.partner)), []).append(one)
    return tuple(
        Alike(
            tuple(one.flow for one in group),
            group[0],
            tuple(part.name for part in parts_of(group[0].derivation.profile)),
        )
        for group in groups.values()
    )


def findings(gateway: Gateway, dates: Dates, now: datetime, within_days: int) -> Findings:
    """What falls short of the policy now, or within some days. SettingsError for a number that is none."""
    if not 0 <= within_days <= AHEAD_DAYS_MAX:
        raise SettingsError(f"{within_days} days", do=f"Choose 0 to {AHEAD_DAYS_MAX} days.")
    found = check_policy(gateway, dates, now, timedelta(days=within_days))
    return Findings(
        within_days,
        tuple(one for one in found if one.when == "now"),
        tuple(one for one in found if one.when != "now"),
    )
