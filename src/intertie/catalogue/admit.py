"""Admission: a message is taken only if its interface has a flow for it, between roles that the parties hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from intertie.catalogue.flow import Flow, Interface
from intertie.model.errors import Code, Refused
from intertie.model.ids import DocumentName, InterfaceCode
from intertie.model.message import Header, Mode
from intertie.model.party import Role

_Place = tuple[str, str, Mode]


@dataclass(frozen=True)
class Catalogue:
    """All interfaces, by code, in the order of their files. Made by `catalogue_of` or `load_catalogue`."""

    interfaces: Mapping[InterfaceCode, Interface]
    _places: Mapping[_Place, tuple[Flow, ...]]

    def flows(self) -> tuple[Flow, ...]:
        """Every flow of every interface."""
        return tuple(flow for interface in self.interfaces.values() for flow in interface.flows)

    def find_flows(self, document: DocumentName, interface: InterfaceCode | None = None) -> tuple[Flow, ...]:
        """The flows that carry a document, on one interface or on all."""
        return tuple(
            flow
            for flow in self.flows()
            if flow.document == document and (interface is None or flow.interface == interface)
        )

    def admit(self, header: Header, sender_roles: frozenset[Role], recipient_roles: frozenset[Role]) -> Flow:
        """The flow a message runs on. Where the parties' roles fit several, the one that demands most.

        The loader sees to it that one of them demands most (no two of them differ both ways), so holding more roles
        never lowers the protection. Raises Refused(UNKNOWN_FLOW) or Refused(WRONG_ROLE).
        """
        flows = self._places.get((header.interface, header.document, header.mode))
        if not flows:
            raise _refusal(Code.UNKNOWN_FLOW, self._why_unknown(header), header)
        fitting = [f for f in flows if f.sender in sender_roles and f.recipient in recipient_roles]
        if not fitting:
            raise _refusal(Code.WRONG_ROLE, _why_wrong(flows, header, sender_roles, recipient_roles), header)
        return max(fitting, key=lambda flow: (flow.strictness, flow.key))

    def _why_unknown(self, header: Header) -> str:
        """What is missing: the interface, the document on it, or the mode."""
        if InterfaceCode(header.interface) not in self.interfaces:
            return f"there is no interface {header.interface}"
        others = self.find_flows(header.document, header.interface)
        if not others:
            return f"interface {header.interface} does not carry {header.document}"
        modes = ", ".join(sorted({flow.mode for flow in others}))
        return f"interface {header.interface} carries {header.document} in mode {modes}, not {header.mode}"


def catalogue_of(interfaces: Iterable[Interface]) -> Catalogue:
    """A catalogue of these interfaces; nothing is checked here, `load.read_catalogue` does that."""
    places: defaultdict[_Place, list[Flow]] = defaultdict(list)
    by_code: dict[InterfaceCode, Interface] = {}
    for interface in interfaces:
        by_code[interface.code] = interface
        for flow in interface.flows:
            places[flow.interface, flow.document, flow.mode].append(flow)
    return Catalogue(MappingProxyType(by_code), MappingProxyType({k: tuple(v) for k, v in places.items()}))


def _why_wrong(
    flows: Iterable[Flow], header: Header, sender: frozenset[Role], recipient: frozenset[Role]
) -> str:
    """Which roles the flow asks for, and which the parties hold."""
    wanted = " or ".join(f"{flow.sender} to {flow.recipient}" for flow in flows)
    return (
        f"{header.document} on {header.interface} goes from {wanted}; "
        f"{header.sender} holds {_listed(sender)}, {header.recipient} holds {_listed(recipient)}"
    )


def _listed(roles: frozenset[Role]) -> str:
    return ", ".join(sorted(roles)) or "no role"


def _refusal(code: Code, detail: str, header: Header) -> Refused:
    return Refused(code, detail, message=header.id, partner=header.sender)
