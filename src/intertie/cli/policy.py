"""`intertie policy`: how messages are protected and why, what falls short, and what cryptography is here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter, Token

from intertie.cli._shared import HERE, Dir, Json, print_json, print_table, write_file
from intertie.cli.partner_legacy import legacy_use
from intertie.cli.policy_explain import explain_flow
from intertie.gateway.check_policy import Dates, Finding, KeyAge, check_policy
from intertie.model.errors import SettingsError
from intertie.run import Opened, opened
from intertie.seal.descriptor import descriptor_end
from intertie.seal.inventory import Holdings, KeptKey, write_inventory
from intertie.seal.store_kek import store_kek_names
from intertie.seal.token_keys import SECRET_NAME

app = App(
    name="policy", help="Protection: how it is computed, what falls short of it, what cryptography is here."
)
app.command(explain_flow, name="explain")


def _days(hint: object, tokens: Sequence[Token]) -> timedelta:
    """ "90d" as a time; ValueError is a wrong command line."""
    found = re.fullmatch(r"([0-9]{1,4})d?", tokens[0].value)
    if found is None:
        raise ValueError(f"{tokens[0].value!r} is no number of days, as 90d")
    return timedelta(days=int(found[1]))


@app.command
def check(
    *,
    within: Annotated[
        timedelta | None,
        Parameter(converter=_days, help="How far to look ahead, as 90d (default: [policy] warn_days)."),
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> int:
    """List certificates, keys, partners and algorithms that fall short of the policy, now or soon, and what to do.

    Exit code 1 if something falls short now.
    """
    with opened(dir) as it:
        ahead = timedelta(days=it.settings.policy.warn_days) if within is None else within
        found = check_policy(it.gateway, _dates(it), it.clock(), ahead)
    if json:
        print_json({"within_days": ahead.days, "findings": [one._asdict() for one in found]})
    else:
        print_table(
            f"Policy of {it.settings.party.id}: now, and within {ahead.days} days",
            ["when", "what", "falls short", "do"],
            [(_when(one), one.subject, one.why, one.do) for one in found],
            empty=f"Nothing falls short of the policy now or within {ahead.days} days.",
        )
    return int(any(one.when == "now" for one in found))


@app.command
def inventory(
    *,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="The file to write; must not exist (default: stdout)."),
    ] = None,
    dir: Dir = HERE,
) -> None:
    """Write the cryptographic inventory as a CycloneDX 1.6 CBOM: algorithms, protocols, certificates, keys (never private
    material), and how they hang together."""
    with opened(dir) as it:
        partners = [partner.keys for partner in it.partners.all()]
        spoken = [(one.party, one.foreign) for one in it.partners.all() if one.foreign is not None]
        legacy = [legacy_use(party, foreign) for party, foreign in spoken]
        holdings = Holdings(it.gateway.keys, it.gateway.trust, partners, tuple(_kept(it)), legacy)
        raw = write_inventory(holdings, it.settings.policy, it.clock())
    if output is None:
        sys.stdout.write(raw.decode())
    else:
        write_file(output, raw)
        print(f"Wrote {output}: {len(raw)} bytes of CycloneDX.")


def _dates(it: Opened) -> Dates:
    try:
        own = descriptor_end(it.descriptor.raw())
    except SettingsError:  # no descriptor, nothing that ends: `intertie doctor` says that it is missing
        own = None
    partners = {entry.descriptor.party: entry.descriptor.until for entry in it.partners.entries()}
    ages = [KeyAge(_NAMES[kept.use], kept.use, kept.since) for kept in _kept(it) if kept.use in _NAMES]
    return Dates(own, partners, tuple(ages))


_NAMES = {"wrapping": "our store", "token": "our token"}


def _kept(it: Opened) -> Iterator[KeptKey]:
    """The keys that no certificate is for: the newest store key, the token key, and the store's data keys."""
    vault = it.own.vault
    for name in store_kek_names(vault)[:1]:
        yield KeptKey(name, "AES-256-GCM", "wrapping", vault.made_at(name))
    for name in vault.names():
        if SECRET_NAME.fullmatch(name):
            yield KeptKey(name, "ES256", "token", vault.made_at(name))
    for key in (one for one in it.store.data_keys() if one.destroyed_at is None):
        yield KeptKey(f"data-{key.number}", "AES-256-GCM", "data", key.made_at)


def _when(one: Finding) -> str:
    return one.when if one.when == "now" or one.day is None else f"by {one.day}"
