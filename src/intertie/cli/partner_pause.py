"""`intertie partner pause` and `resume`: ask a partner to send nothing that can wait, and to go on."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, when
from intertie.gateway.gateway import Partner
from intertie.gateway.operating.operations_ports import Stop
from intertie.gateway.sending.flow_control import lower, raise_flag, stop_until, write_notice
from intertie.model.errors import PartnerError
from intertie.run import Opened, opened, street_link
from intertie.run.onboarding import find_partner_entry


def pause(
    party: PartyOption,
    /,
    *,
    minutes: Annotated[
        int, Parameter(validator=Number(gte=1, lte=1440), help="The flag falls by itself after so many.")
    ] = 60,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Ask a partner to send us nothing that can wait. Outages and dispatches still come; all else is kept there until then.

    Parameters
    ----------
    party
        The partner; its door, if it has one, must answer.
    """
    with opened(dir) as it:
        partner = find_partner_entry(it, party).partner
        now = it.clock()
        stop = Stop(party, True, now, stop_until(now + timedelta(minutes=minutes), now))
        raw = write_notice(stop)
        _tell(it, partner, raw)
        raise_flag(it.gateway, stop, raw, now)
    if json:
        print_json({"party": party, "stop": True, "until": stop.until})
    else:
        print(f"{party} sends us nothing that can wait until {when(stop.until)}.")


def resume(party: PartyOption, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Tell a partner that it may send again.

    Parameters
    ----------
    party
        The partner; its door, if it has one, must answer.
    """
    with opened(dir) as it:
        partner = find_partner_entry(it, party).partner
        raw = write_notice(None)
        # Here first: while the partner cannot be reached, what it sends is taken, and its own flag falls in time.
        was_up = lower(it.gateway, party, raw, it.clock(), ours=True)
        _tell(it, partner, raw)
    if json:
        print_json({"party": party, "stop": False, "was_up": was_up})
    else:
        print(
            f"{party} may send again." if was_up else f"{party} was not asked to stop; it was told to go on."
        )


def _tell(it: Opened, partner: Partner, raw: bytes) -> None:
    """Say it at the partner's door; PartnerError unless it was heard. Who has none hears it when it sends."""
    if partner.fetches:
        return

    async def tell() -> int:
        link = street_link(it)
        try:
            return (await link.post_flow(partner, raw)).status
        finally:
            await link.aclose()

    status = asyncio.run(tell())
    if status != 200:
        do = "Its version may not know stop flags. A quota in its .toml, or suspending it, needs no answer."
        raise PartnerError(f"{partner.party} answers {status} to a stop flag", do=do)
