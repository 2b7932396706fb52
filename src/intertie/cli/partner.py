"""`intertie partner`: whom this gateway does business with."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from intertie.cli._onboarding import joining_json
from intertie.cli._shared import HERE, Dir, Instant, Json, print_json, print_table, read_file, when
from intertie.cli.partner_cancel import cancel
from intertie.cli.partner_confirm import confirm
from intertie.cli.partner_invite import invite
from intertie.cli.partner_join import join
from intertie.cli.partner_legacy import legacy
from intertie.cli.partner_live import live
from intertie.cli.partner_one_way import one_way
from intertie.cli.partner_pause import pause, resume
from intertie.cli.partner_prove import prove
from intertie.cli.partner_secret import secret
from intertie.cli.partner_show import show
from intertie.cli.partner_simulate import simulate
from intertie.cli.partner_suspend import suspend
from intertie.cli.partner_via import via
from intertie.exchange.joining import State
from intertie.gateway.gateway import Agreement
from intertie.gateway.partners.join_partner import Joining
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import AgreementId
from intertie.run import Opened, opened
from intertie.run.onboarding import check_one_door
from intertie.seal.certificates import TrustStore
from intertie.seal.descriptor import Descriptor, check_not_weaker, read_descriptor
from intertie.stores.partner_files import Entry, Standing, write_partner, write_whole

app = App(name="partner", help="The parties this gateway does business with.")
for command in (
    invite,
    join,
    confirm,
    prove,
    live,
    legacy,
    secret,
    show,
    cancel,
    pause,
    resume,
    suspend,
    via,
    one_way,
    simulate,
):
    app.command(command)


@app.command
def add(
    file: Path,
    /,
    *,
    root: Annotated[
        Path | None, Parameter(help="The partner's trust root (PEM), if it is not trusted yet.")
    ] = None,
    agreement: Annotated[AgreementId | None, Parameter(help="A base agreement with this partner.")] = None,
    start: Annotated[
        Instant | None, Parameter(name="--from", help="It is in force from here on (default: now).")
    ] = None,
    until: Annotated[
        Instant | None, Parameter(help="It is no longer in force at this time (default: open).")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Add a partner from its signed descriptor, or bring a known one up to date. Agreements stay, new ones are added.

    Parameters
    ----------
    file
        The partner's descriptor.json.
    """
    raw = read_file(file)
    with opened(dir) as it:
        now = it.clock()
        descriptor = _verified(it, raw, root, now)
        known = {entry.partner.party: entry for entry in it.partners.entries()}.get(descriptor.party)
        _check_newer(it, descriptor, known)
        new = _agreement(agreement, start, until, now)
        old = known.standing.agreements if known else ()
        kept = tuple(one for one in old if new is None or one.id != new.id)
        standing = msgspec.structs.replace(
            known.standing if known else Standing(added=now),
            added=now,
            agreements=kept + ((new,) if new else ()),
            scopes=known.standing.scopes if known else None,
        )
        if root is not None:
            folder = it.places.trust / descriptor.party
            folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(folder / "roots.pem", read_file(root))
        write_partner(it.places.partners, descriptor.party, raw, standing)
    if json:
        print_json(_entry_json(descriptor, standing))
        return
    where = f"at {descriptor.url}" if descriptor.url else "without a door: it comes for its parcels here"
    print(f"{descriptor.party} ({descriptor.name}) is a partner now, {where}")
    if root is not None:
        print(
            "Its roots vouch for this party only; a running gateway lets its connections in within a second."
        )


@app.command(name="list")
def list_partners(*, dir: Dir = HERE, json: Json = False) -> None:
    """List the partners with their roles, agreements and doors; and partner files that cannot be used."""
    with opened(dir) as it:
        entries, problems = it.partners.entries(), it.partners.problems()
        joinings = [one for one in it.joinings.all() if _waits(one, it.clock())]
    if json:
        partners = [_entry_json(e.descriptor, e.standing) for e in entries]
        print_json(
            {"partners": partners, "joinings": list(map(joining_json, joinings)), "problems": problems}
        )
        return
    print_table(
        f"Partners of {it.settings.party.id}",
        ["party", "name", "roles", "url", "agreements", "state"],
        [_row(entry) for entry in entries],
        empty="No partners. `intertie partner add THEIR-descriptor.json` makes one.",
    )
    if joinings:
        print_table(
            "Joining",
            ["invitation", "state", "party", "words", "until"],
            [
                [j.id, j.state, j.other and j.other.party, j.other and j.other.words, when(j.end)]
                for j in joinings
            ],
            empty="",
        )
    for name, why in problems.items():
        print(f"{name}: {why}")


def _waits(joining: Joining, now: datetime) -> bool:
    """Whether somebody still has to do something: use the code, or compare the words."""
    return joining.state is State.JOINED or (joining.state is State.INVITED and now < joining.end)


def _verified(it: Opened, raw: bytes, root: Path | None, now: datetime) -> Descriptor:
    """The descriptor, signed under a root that is trusted or is given now."""
    trust = _trust(it, root)
    try:
        return read_descriptor(raw, trust, now, policy=it.settings.policy)
    except Refused as refused:
        do = "Ask the partner for its descriptor again."
        if refused.code is Code.CERTIFICATE_UNTRUSTED and root is None:
            do = "If you believe its certificate authority, give its root with --root FILE.pem."
        raise SettingsError(
            f"the descriptor does not verify: {refused.code}: {refused.detail}", do=do
        ) from refused


def _trust(it: Opened, root: Path | None) -> TrustStore:
    trust = it.gateway.trust
    return trust if root is None else trust.joined(TrustStore.of_pem(read_file(root)))


def _check_newer(it: Opened, descriptor: Descriptor, known: Entry | None) -> None:
    if descriptor.party == it.settings.party.id:
        raise SettingsError(
            "this is our own descriptor", do="Add the partner's, and give this one to the partner."
        )
    check_one_door(it.settings, descriptor)
    if known is not None and descriptor.sequence < known.descriptor.sequence:
        raise SettingsError(
            f"descriptor {descriptor.sequence} of {descriptor.party} is older than {known.descriptor.sequence}, "
            "which is here",
            do="Ask the partner for its present descriptor.",
        )
    if known is not None:
        check_not_weaker(known.descriptor.keys, descriptor.keys)


def _agreement(
    id: AgreementId | None, start: datetime | None, until: datetime | None, now: datetime
) -> Agreement | None:
    if id is None:
        if start or until:
            raise SettingsError("--from and --until belong to an agreement", do="Name it with --agreement.")
        return None
    start = start or now
    if until is not None and until <= start:
        raise SettingsError(
            "the agreement ends before it begins", do="Give --until a later time than --from."
        )
    return Agreement(id=id, start=start, end=until)


def _entry_json(descriptor: Descriptor, standing: Standing) -> dict[str, object]:
    return {
        "party": descriptor.party,
        "name": descriptor.name,
        "roles": sorted(descriptor.roles),
        "url": descriptor.url,
        "sequence": descriptor.sequence,
        "added": standing.added,
        "suspended": standing.suspended,
        "state": standing.state,
        "agreements": standing.agreements,
        "scopes": standing.scopes,
    }


def _row(entry: Entry) -> list[object]:
    partner = entry.partner
    agreed = entry.standing.agreements
    agreements = "\n".join(f"{a.id} {when(a.start)} to {when(a.end) or '(open)'}" for a in agreed)
    state = "suspended" if partner.suspended else entry.standing.state
    return [
        partner.party,
        partner.name,
        ", ".join(sorted(partner.roles)),
        partner.url or "(fetches)",
        agreements,
        state,
    ]
