"""`intertie keys smime`: the keys by which partners know us in AS2 and AS4, and the certificate of one as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table
from intertie.gateway.translating.foreign import Foreign
from intertie.model.errors import SettingsError
from intertie.run import Opened, opened
from intertie.seal.smime_keys import OwnSmime, fingerprint, is_valid


def smime(
    *,
    protocol: Annotated[str | None, Parameter(help="as2 or as4; both if it is left out.")] = None,
    certificate: Annotated[
        Path | None, Parameter(help="Write the certificate of the newest key there, for partners.")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """List our keys in AS2 and AS4: which signs, which still open, and which partners keep to an older one.

    A higher `key_number` in intertie.toml makes the next key. Partners pin its certificate before it signs for them: until then
    their legacy files say `our_key` (docs/as2.md, Our key turns).
    """
    with opened(dir) as it:
        own = _own(it, protocol)
        lines = [line for section, keys in own.items() for line in _lines(it, section, keys)]
        if certificate is not None:
            if len(own) != 1:
                raise SettingsError("a certificate of which protocol?", do="Add --protocol as2 or as4.")
            [keys] = own.values()
            certificate.write_bytes(keys.signing().pem)
    if json:
        print_json({"keys": lines})
        return
    rows = [tuple(map(str, line.values())) for line in lines]
    columns = ("protocol", "number", "SHA-256", "until", "state", "partners that keep to it")
    print_table("Keys of ours in S/MIME", columns, rows, empty="Neither [as2] nor [as4] says who we are.")


def _own(it: Opened, protocol: str | None) -> dict[str, OwnSmime]:
    found = {
        "as2": it.as2.own if it.as2 is not None else None,
        "as4": it.as4.own if it.as4 is not None else None,
    }
    if protocol is not None and found.get(protocol) is None:
        raise SettingsError(
            f"nobody speaks {protocol} here", do="Name us in [as2] or [as4] of intertie.toml."
        )
    return {name: own for name, own in found.items() if own is not None and protocol in (None, name)}


def _lines(it: Opened, section: str, keys: OwnSmime) -> list[dict[str, object]]:
    now = it.clock()
    return [
        {
            "protocol": section,
            "number": number,
            "sha256": fingerprint(one.certificate),
            "until": one.certificate.not_valid_after_utc.date().isoformat(),
            "state": "signs"
            if number == keys.newest
            else "opens"
            if is_valid(one.certificate, now)
            else "ended",
            "partners": ", ".join(_late(it, section, number)),
        }
        for number, one in zip(range(keys.newest, 0, -1), keys.all(), strict=True)
    ]


def _late(it: Opened, section: str, number: int) -> list[str]:
    """The partners that keep to this key."""
    return [
        partner.party
        for partner in it.partners.all()
        if partner.foreign is not None and _our_key(partner.foreign, section) == number
    ]


def _our_key(foreign: Foreign, section: str) -> int | None:
    terms = foreign.as2_terms if section == "as2" else foreign.as4_terms
    return terms.our_key if terms is not None else None
