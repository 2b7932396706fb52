"""How what we say goes to a partner, and why: the strongest that both have. What a flow needs beyond it is asked each time."""

from __future__ import annotations

from collections.abc import Container
from datetime import date
from typing import NamedTuple

from intertie.gateway.gateway import Partner
from intertie.gateway.translating.foreign import Foreign

NOTHING = "nothing"


class Way(NamedTuple):
    """A binding, and the reason."""

    binding: str
    why: str


def choose(partner: Partner, spoken: Container[str], today: date) -> Way:
    """The way of a message that is written today; `spoken` are the protocols of others that are set up here."""
    foreign = partner.foreign
    if partner.one_way and not partner.translated and not partner.by_file:
        return Way(
            "parcels by hand",
            "nothing comes back from it: `intertie parcel export`, and somebody carries them",
        )
    if partner.via is not None and not partner.translated:
        why = f"both have a gateway, with {partner.via} between: sealed for it alone, and a receipt for each hop"
        return Way(f"parcels via {partner.via}", why)
    if foreign is None or not partner.translated:
        how = "it comes for them" if partner.fetches else "over HTTPS"
        if foreign is not None and partner.by_file:
            way = "ftp without TLS" if foreign.in_clear else foreign.binding
            if today > foreign.legacy_until:
                return Way(
                    NOTHING, f"its parcels go as files by {way}, and that ended on {foreign.legacy_until}"
                )
            return Way("parcels as files", f"sealed for it alone, by {way} as its legacy file says")
        older = ""
        if foreign is not None:
            older = f"; stronger than {foreign.binding}, which carries on only what began there"
        return Way("parcels", f"both have a gateway: signed, and sealed for it alone, {how}{older}")
    name = foreign.binding
    if today > foreign.legacy_until:
        return Way(NOTHING, f"it has no gateway, and {name} ended on {foreign.legacy_until}")
    if name not in spoken:
        return Way(NOTHING, f"it has no gateway, and [{name}] is not set up here")
    why = f"it has no gateway; until {foreign.legacy_until} its legacy file allows this"
    return Way(name, f"{why}{_in_which(foreign)}")


def _in_which(foreign: Foreign) -> str:
    """Where there are several formats, which a message goes in."""
    if foreign.binding == "uftp" or len(foreign.formats) == 1:
        return ""
    first, *others = foreign.formats
    return f"; in {first}, and what that cannot say whole in {' or '.join(others)}"
