"""`intertie partner live`: business may begin, because every agreed flow is proven."""

from __future__ import annotations

from datetime import datetime

import msgspec

from intertie.cli._onboarding import find_partner_entry, line_json, operator
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.exchange.joining import Event
from intertie.gateway.join_partner import advance, note
from intertie.gateway.prove_partner import Line, read_proof, unproven
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.run import Opened, opened
from intertie.stores.partner_files import standing_text, write_whole

# What is not proven is listed up to here; `partner show` has all of it.
LISTED_MAX = 10


def live(party: PartyOption, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Go live with a partner whose every agreed flow is proven, in both directions. Each side does it.

    Parameters
    ----------
    party
        The partner; its state is `proving`.
    """
    with opened(dir) as it:
        go_live(it, party, operator())
    if json:
        print_json({"party": party, "state": "live"})
    else:
        print(f"{party} is live: business may begin, and its test conversation is over.")


def go_live(it: Opened, party: PartyId, by: str) -> None:
    """Make it live; SettingsError that lists the flows that are not proven. Nothing changes if it is live already."""
    entry = find_partner_entry(it, party)
    trial, standing = entry.partner.trial, entry.standing
    if trial is None or standing.joining is None:
        return
    lines = read_proof(it.gateway, entry.partner, trial)
    _check(party, lines)
    now = it.clock()
    with it.joinings.alone():
        _journal(it, party, lines, by, now)
        joining = it.joinings.find(standing.joining)
        if joining is not None:
            advance(it.joinings, joining, Event.PASS)
        text = standing_text(party, msgspec.structs.replace(standing, state="live"))
        write_whole(it.places.partners / f"{party}.toml", text.encode())


def _check(party: PartyId, lines: list[Line]) -> None:
    left = unproven(lines)
    if not lines:
        raise SettingsError(
            f"nothing was agreed with {party}: by the roles that both hold, no flow goes either way",
            do="`intertie partner cancel` it, and invite again with other flows.",
        )
    if left:
        named = [f"{'to' if line.outgoing else 'from'} them {line.flow.key} ({line.result})" for line in left]
        more = f" and {len(left) - LISTED_MAX} more" if len(left) > LISTED_MAX else ""
        raise SettingsError(
            f"not proven with {party}: {'; '.join(named[:LISTED_MAX])}{more}",
            do=f"`intertie partner prove {party}` sends what is missing.",
        )


def _journal(it: Opened, party: PartyId, lines: list[Line], by: str, now: datetime) -> None:
    """What was proven, by the hash of the whole table, and who said go."""
    table = msgspec.json.encode([line_json(line) for line in lines], order="sorted")
    note(it.gateway, f"partner proven: {len(lines)} flows", party, table, now)
    note(it.gateway, f"partner live by {by}", party, table, now)
