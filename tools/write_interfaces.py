"""Write docs/interfaces.md: the catalogue as a page."""

from __future__ import annotations

from pathlib import Path

from intertie.catalogue.admit import Catalogue
from intertie.catalogue.flow import Flow, Interface
from intertie.catalogue.load import load_catalogue
from intertie.catalogue.view import actor, latency, part, protect_for
from intertie.model.party import Role

SIGNS = {"both": "↔", "sends": "→", "receives": "←", "": ""}
SECTIONS = {
    "media": "Media",
    "requirements": "Requirements",
    "constraints": "Constraints",
    "threats": "Threats",
    "doubts": "Doubts",
}
HEAD = """# Interfaces

Written by `make docs` from `src/intertie/catalogue/*.toml`; `intertie interfaces list|show|matrix` prints the same.

A message is admitted only if its interface has a flow for its document and mode, from a role that the sender holds to
a role that the recipient holds. Where the roles of the parties fit several flows, the one that demands most holds.
Prose is paraphrased from the mission documents; the source is in brackets: 000 is the use case of distribution utility
and DER aggregator, 001 the minutes of 20 November 2024, 002 the electric-transportation interfaces.

## What a flow says

| key | meaning |
|---|---|
| `document` | what is sent |
| `category` | what it is about; billing, system_outage, aggregation and availability are those of 000 |
| `from`, `to` | the role that sends and the role that receives |
| `mode` | registration, scheduled or real_time; one document in two modes is two flows with needs of their own |
| `priority` | 0 goes first, 9 last |
| `confidentiality`, `integrity` | low, moderate or high: how much a loss would matter |
| `non_repudiation` | whether the sender must not be able to deny it later |
| `latency` | longest time from sending to receipt: `4 s`, `15 min`, `1 h`, `1 day` |
| `protect_for` | how long secrecy and proof must hold: `30 days`, `7 years` (a year is 366 days) |
| `agreement` | refused unless an agreement of the parties is in force |
| `direction` | two_way, or one_way: may cross a link that carries nothing back |
| `relay` | the recipient may pass it on towards its endpoint |
| `channel` | any (the default), or hybrid: the connection must have negotiated a hybrid group (docs/policy.md) |
| `needs` | the `[needs.*]` table of the same file that the rest of the keys come from |
| `source` | file and section of the mission that the flow comes from |

Only ET1 states a latency (one to a few seconds). All other latencies, all priorities and all times of protection are
proposals of this project; the TOML files give the reason for each beside it.
"""


def render() -> str:
    """The page."""
    catalogue = load_catalogue()
    parts = [HEAD, _matrix(catalogue)]
    parts += [_interface(interface) for interface in catalogue.interfaces.values()]
    return "\n".join(parts)


def write(root: Path) -> None:
    """Write the page into a checkout."""
    (root / "docs" / "interfaces.md").write_text(render(), encoding="utf-8")


def _matrix(catalogue: Catalogue) -> str:
    """Roles by interfaces."""
    lines = ["## Who takes part where", "", "→ sends, ← receives, ↔ both.", ""]
    lines.append(_row("role", *catalogue.interfaces))
    lines.append("|---" * (len(catalogue.interfaces) + 1) + "|")
    for role in Role:
        lines.append(_row(f"`{role}`", *(SIGNS[part(i, role)] for i in catalogue.interfaces.values())))
    return "\n".join(lines) + "\n"


def _interface(interface: Interface) -> str:
    """One interface: what it is, its flows each way, and what the mission says of it."""
    first, second = interface.actors
    lines = [f"## {interface.code}: {interface.title}", ""]
    lines += [f"Between `{actor(first)}` and `{actor(second)}`. Source: {interface.source}.", ""]
    if interface.same_as:
        lines += [f"The same as {interface.same_as}.", ""]
    lines += [interface.description, ""]
    for sender, recipient in ((first, second), (second, first)):
        lines += [f"### {interface.code}: {actor(sender)} → {actor(recipient)}", ""]
        flows = [f for f in interface.flows if f.sender in sender and f.recipient in recipient]
        lines += [*_flows(flows), ""] if flows else ["No flow: see the doubts below.", ""]
    lines += [f"### {interface.code}: what the mission says", ""]
    for key, title in SECTIONS.items():
        sentences: tuple[str, ...] = getattr(interface, key)
        lines += [f"{title}:" if sentences else f"{title}: none named.", ""]
        lines += [*(f"- {sentence}" for sentence in sentences), ""] if sentences else []
    return "\n".join(lines)


def _flows(flows: list[Flow]) -> list[str]:
    """The table of one direction."""
    columns = ("document", "category", "from → to", "mode", "priority", "confidentiality", "integrity")
    columns += (
        "non-repudiation",
        "latency",
        "protect for",
        "agreement",
        "direction",
        "relay",
        "channel",
        "source",
    )
    return [_row(*columns), "|---" * len(columns) + "|", *(_row(*_cells(flow)) for flow in flows)]


def _cells(flow: Flow) -> tuple[str, ...]:
    return (
        f"`{flow.document}`",
        flow.category,
        f"`{flow.sender}` → `{flow.recipient}`",
        flow.mode,
        str(flow.priority),
        flow.confidentiality,
        flow.integrity,
        _yes(flow.non_repudiation),
        latency(flow),
        protect_for(flow),
        _yes(flow.agreement),
        flow.direction,
        _yes(flow.relay),
        flow.channel,
        flow.source,
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _row(*cells: str) -> str:
    """A table row; a bar inside a cell would end it."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
