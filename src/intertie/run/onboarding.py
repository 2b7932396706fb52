"""Becoming partners, on the files of a gateway directory: what the commands and the portal both do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec

from intertie.bindings.joining.client import join as join_by_code
from intertie.exchange.joining import FINAL, Event, State, Terms
from intertie.gateway.configuration.settings import Settings
from intertie.gateway.partners.join_partner import Joining, Other, Review, advance, note, verified
from intertie.gateway.partners.join_partner import cancel as take_back
from intertie.gateway.partners.join_partner import invite as open_invitation
from intertie.gateway.partners.onboarding_ports import Asked, Invited, terms_of
from intertie.gateway.partners.prove_partner import Line, begin_proof, read_proof, unproven
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.run.opening import Opened
from intertie.seal.descriptor import Descriptor
from intertie.seal.joining import read_code, same_words
from intertie.stores.joining_files import admit_partner, drop_partner
from intertie.stores.partner_files import Entry, Standing, standing_text, write_whole

# An invitation that waits longer is forgotten, and a code that is forgotten lies about.
LIFE_MAX = timedelta(days=14)
# What is not proven is listed up to here; `partner show` has all of it.
LISTED_MAX = 10


class FileOnboarding:
    """gateway.partners.onboarding_ports.Onboarding over an opened directory."""

    def __init__(self, it: Opened) -> None:
        self._it = it

    def joinings(self) -> Sequence[Joining]:
        """All of them, oldest first."""
        return self._it.joinings.all()

    def invite(self, asked: Asked, now: datetime, by: str) -> Invited:
        """Open the door for somebody."""
        return invite(self._it, terms_of(asked), asked.until, now, by)

    def join(self, code: str, party: PartyId | None, now: datetime) -> Joining:
        """Join by a code."""

        def accept(seen: Review) -> tuple[str, ...]:
            if party not in (None, seen.descriptor.party):
                raise SettingsError(
                    f"{seen.descriptor.party} invites, not {party}; nothing was sent",
                    do="Find out who gave you the code.",
                )
            return seen.terms.covers

        return join(self._it, code, accept)

    def confirm(self, party: PartyId, words: str, now: datetime, by: str) -> None:
        """The words are the same."""
        confirm(self._it, party, words, now, by)

    def prove(self, party: PartyId, now: datetime) -> Sequence[Line]:
        """Send what is not proven."""
        partner = find_partner_entry(self._it, party).partner
        if partner.trial is None:
            raise SettingsError(f"{party} is live: there is nothing to prove", do="Look at its page.")
        begin_proof(self._it.gateway, partner, partner.trial, now)
        return read_proof(self._it.gateway, partner, partner.trial)

    def proof(self, party: PartyId) -> Sequence[Line]:
        """How it stands."""
        partner = find_partner_entry(self._it, party).partner
        return read_proof(self._it.gateway, partner, partner.trial) if partner.trial is not None else []

    def live(self, party: PartyId, now: datetime, by: str) -> None:
        """Business may begin."""
        go_live(self._it, party, now, by)

    def suspend(self, party: PartyId, suspended: bool, now: datetime, by: str) -> None:
        """Nothing goes or comes."""
        suspend(self._it, party, suspended, now, by)

    def cancel(self, which: str, now: datetime, by: str) -> Joining:
        """Take it back."""
        return cancel(self._it, which, now, by)


def invite(it: Opened, terms: Terms, end: datetime, now: datetime, by: str) -> Invited:
    """Open an invitation. SettingsError for terms that name what is not there, a partner, or a time too far."""
    check_terms(it, terms)
    if not timedelta(0) < end - now <= LIFE_MAX:
        raise SettingsError(f"an invitation waits up to {LIFE_MAX.days} days", do="Give it a shorter time.")
    it.ourselves()  # what is wrong with our own keys and trust is better said now than at the door
    code, joining = open_invitation(it.gateway, it.joinings, terms, door_address(it.settings), now, end, by)
    return Invited(code, joining)


def check_terms(it: Opened, terms: Terms) -> None:
    """SettingsError if the catalogue has no such flow, or the party is a partner already."""
    known = {one.interface for one in it.gateway.catalogue.flows()}
    pairs = known | {f"{one.interface}/{one.document}" for one in it.gateway.catalogue.flows()}
    for one in terms.covers:
        if one not in pairs:
            raise SettingsError(f"the catalogue has no {one}", do="`intertie interfaces list` shows all.")
    if terms.party is not None and it.partners.find(PartyId(terms.party)) is not None:
        raise SettingsError(f"{terms.party} is a partner already", do="Look at how it stands.")


def door_address(settings: Settings) -> str:
    """Where the joining door is, as others see it."""
    if settings.joining.address:
        return settings.joining.address
    if not settings.street.is_open:
        raise SettingsError(
            "this gateway has no door that somebody could come to",
            do="Have them invite, and join with their code; or say with [joining] address where this one is reached.",
        )
    host = urlsplit(settings.street.url).hostname or ""
    port = settings.joining.listen.rpartition(":")[2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def join(it: Opened, code: str, accept: Callable[[Review], tuple[str, ...]]) -> Joining:
    """Join by a code. `accept` looks at the offer before anything of ours is sent, and says what of it we take."""

    def checked(seen: Review) -> tuple[str, ...]:
        check_one_door(it.settings, seen.descriptor)
        return accept(seen)

    seconds = it.settings.joining.seconds
    return asyncio.run(
        join_by_code(it.gateway, it.joinings, it.ourselves(), read_code(code), checked, it.clock, seconds)
    )


def confirm(it: Opened, party: PartyId, words: str, now: datetime, by: str) -> Standing:
    """The words were the same. Only now are its roots trusted, for itself alone."""
    _, other = find_joining(it, party)
    if not same_words(words, other.words):
        raise SettingsError(
            "these are not the words that this side has: nobody may be trusted here",
            do="Compare them again. If they differ, somebody is in between: cancel, and invite anew.",
        )
    with it.joinings.alone():
        joining, other = find_joining(it, party)
        verified(it.gateway, other.descriptor, other.roots, now)
        note(it.gateway, f"partner confirmed by {by}", party, bytes.fromhex(other.transcript), now)
        standing = admit_partner(it.places, joining, other, now)
        advance(it.joinings, joining, Event.CONFIRM)
    return standing


def go_live(it: Opened, party: PartyId, now: datetime, by: str) -> None:
    """Make it live; SettingsError that lists the flows that are not proven. Nothing changes if it is live already."""
    entry = find_partner_entry(it, party)
    trial, standing = entry.partner.trial, entry.standing
    if trial is None or standing.joining is None:
        return
    lines = read_proof(it.gateway, entry.partner, trial)
    _check_proven(party, lines)
    with it.joinings.alone():
        _journal(it, party, lines, by, now)
        joining = it.joinings.find(standing.joining)
        if joining is not None:
            advance(it.joinings, joining, Event.PASS)
        text = standing_text(party, msgspec.structs.replace(standing, state="live"))
        write_whole(it.places.partners / f"{party}.toml", text.encode())


def suspend(it: Opened, party: PartyId, suspended: bool, now: datetime, by: str) -> None:
    """Let nothing go to a partner or come from it, or again; whoever serves sees it within a second. SettingsError for one that
    is none, or that has a legacy file only."""
    entry = find_partner_entry(it, party)
    if entry.standing.suspended == suspended:
        return
    with it.joinings.alone():
        what = "suspended" if suspended else "resumed"
        note(it.gateway, f"partner {what} by {by}", party, what.encode(), now)
        text = standing_text(party, msgspec.structs.replace(entry.standing, suspended=suspended))
        write_whole(it.places.partners / f"{party}.toml", text.encode())


def cancel(it: Opened, which: str, now: datetime, by: str) -> Joining:
    """Take back an invitation or a joining, by its id or its party, or drop a partner that is not live."""
    joining = _find(it, which)
    if joining.other is not None:
        entry = next((e for e in it.partners.entries() if e.standing.joining == joining.id), None)
        if entry is not None and entry.partner.trial is not None:
            drop_partner(it.places, entry.partner.party)
    return take_back(it.gateway, it.joinings, joining.id, now, by)


def find_partner_entry(it: Opened, party: PartyId) -> Entry:
    """The partner with its files; SettingsError if it is none."""
    entry = next((one for one in it.partners.entries() if one.partner.party == party), None)
    if entry is None:
        waiting = party in {one.other.party for one in it.joinings.all() if one.other and is_joined(one)}
        do = "`intertie partner confirm` makes it one." if waiting else "`intertie partner list` shows them."
        raise SettingsError(f"{party} is not a partner here{' yet' if waiting else ''}", do=do)
    return entry


def check_one_door(settings: Settings, other: Descriptor) -> None:
    """SettingsError if neither we nor the other has a door: nothing could come or go."""
    if not settings.street.is_open and not other.url:
        raise SettingsError(
            f"neither this gateway nor {other.party} has a door: nothing could come or go between them",
            do="One of the two needs [street] url and listen; then `intertie keys rotate` tells the other.",
        )


def is_joined(joining: Joining) -> bool:
    """Whether its words wait to be compared."""
    return joining.state is State.JOINED


def find_joining(it: Opened, party: PartyId) -> tuple[Joining, Other]:
    """The latest joining of a party that is confirmed, or waits for it; SettingsError if there is none."""
    wanted = (State.JOINED, State.PROVING)
    for joining in reversed(it.joinings.all()):
        if joining.other is not None and joining.other.party == party and joining.state in wanted:
            return joining, joining.other
    raise SettingsError(
        f"{party} has not joined by an invitation, or is live", do="`intertie partner list` shows who has."
    )


def line_json(line: Line) -> dict[str, object]:
    """One flow of a proof, for programs."""
    return {
        "flow": line.flow.key,
        "direction": "out" if line.outgoing else "in",
        "result": line.result.value,
        "message": line.message,
        "profile": line.profile,
        "group": line.group,
        "seconds": line.seconds,
        "need_seconds": line.flow.latency_seconds,
        "detail": line.detail,
    }


def _check_proven(party: PartyId, lines: Sequence[Line]) -> None:
    left = unproven(list(lines))
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


def _journal(it: Opened, party: PartyId, lines: Sequence[Line], by: str, now: datetime) -> None:
    """What was proven, by the hash of the whole table, and who said go."""
    table = msgspec.json.encode([line_json(line) for line in lines], order="sorted")
    note(it.gateway, f"partner proven: {len(lines)} flows", party, table, now)
    note(it.gateway, f"partner live by {by}", party, table, now)


def _find(it: Opened, which: str) -> Joining:
    for joining in reversed(it.joinings.all()):
        named = which in (joining.id, joining.other.party if joining.other else None)
        if named and joining.state not in FINAL:
            return joining
    raise SettingsError(
        f"there is no invitation or joining {which} here that is not over",
        do="`intertie partner list` shows them.",
    )


def set_via(it: Opened, party: PartyId, relay: PartyId | None, now: datetime, by: str) -> None:
    """The relay that stands between us and a partner, or that none does; journaled. SettingsError if one of them is no partner,
    or the relay has no door of its own that we may call."""
    entry = find_partner_entry(it, party)
    if entry.partner.translated:
        raise SettingsError(f"{party} has no gateway", do="A relay carries parcels, and nothing else.")
    if relay is not None:
        hub = find_partner_entry(it, relay).partner
        if relay == party or not (hub.url or hub.by_file) or hub.via is not None:
            do = "A relay is another partner, with a door of its own."
            raise SettingsError(f"{relay} cannot relay for us", do=do)
    standing = msgspec.structs.replace(entry.standing, via=relay or "")
    _set(it, standing, party, f"via {relay}" if relay is not None else "direct", now, by)


def set_one_way(it: Opened, party: PartyId, one_way: bool, now: datetime, by: str) -> None:
    """Nothing comes back from a partner, or it does again; journaled. SettingsError if it is none, or has no gateway."""
    entry = find_partner_entry(it, party)
    if entry.partner.translated:
        raise SettingsError(f"{party} has no gateway", do="What goes one way is sealed, and needs its keys.")
    standing = msgspec.structs.replace(entry.standing, one_way=one_way)
    _set(it, standing, party, "one way" if one_way else "both ways", now, by)


def _set(it: Opened, standing: Standing, party: PartyId, what: str, now: datetime, by: str) -> None:
    with it.joinings.alone():
        note(it.gateway, f"partner {what} by {by}", party, what.encode(), now)
        write_whole(it.places.partners / f"{party}.toml", standing_text(party, standing).encode())
