"""`intertie keys uftp`: the keys that we sign with in UFTP, and the next one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._shared import HERE, Dir, Instant, Json, print_json, print_table, when
from intertie.run import Opened, opened
from intertie.seal.sodium_keys import EPOCH, VaultKeys, present, rotate
from intertie.seal.sodium_sign import fingerprint, read_public, write_public


def uftp(
    *,
    rotate_from: Annotated[
        Instant | None, Parameter(help="Make the next key, which signs from this time on.")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """List our keys in UFTP and since when each signs; with --rotate-from, make the next one.

    A partner that does not know the next key by then keeps to the old one: `our_key` and `our_key_until` of its legacy file.
    """
    with opened(dir) as it:
        vault, now = it.own.vault, it.clock()
        if rotate_from is not None:
            rotate(vault, rotate_from, now)
        keys = VaultKeys(vault)()
        signs = present(keys, now)
        late = _late(it)
        lines = [
            {
                "key": write_public(one.key.public),
                "sha256": fingerprint(one.key.public),
                "since": None if one.start == EPOCH else one.start,
                "state": "signs" if one.key is signs else "to come" if one.start > now else "old",
                "partners": late.get(one.key.public, []),
            }
            for one in keys
        ]
    if json:
        print_json({"keys": lines})
        return
    rows = [
        (one["key"], when(one["since"]) if one["since"] else "", one["state"], ", ".join(one["partners"]))  # type: ignore[arg-type]
        for one in lines
    ]
    print_table(
        "Keys of ours in UFTP", ("key", "signs since", "state", "partners that keep to it"), rows, empty=""
    )
    if rotate_from is not None:
        print(
            f"Next: give the new key to each partner before {rotate_from.isoformat()}; who is late keeps to the old one by"
        )
        print("our_key and our_key_until in its legacy file (docs/uftp.md, Keys).")


def _late(it: Opened) -> dict[bytes, list[str]]:
    """The partners that keep to a key, by its public half."""
    found: dict[bytes, list[str]] = {}
    for partner in it.partners.all():
        terms = partner.foreign.uftp_terms if partner.foreign is not None else None
        if terms is not None and terms.our_key is not None and terms.our_key_until is not None:
            said = f"{partner.party} until {terms.our_key_until.isoformat()}"
            found.setdefault(read_public(terms.our_key), []).append(said)
    return found
