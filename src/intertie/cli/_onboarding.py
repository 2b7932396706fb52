"""What the commands of onboarding share: who did it, which joining is meant, and how a joining and a proof are shown."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable

from intertie.cli._shared import print_table
from intertie.exchange.joining import State, Terms
from intertie.gateway.join_partner import Joining, Other
from intertie.gateway.prove_partner import Line
from intertie.gateway.settings import Settings
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.run import Opened
from intertie.seal.descriptor import Descriptor
from intertie.stores.partner_files import Entry


def operator() -> str:
    """The account that runs the command, for the journal."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def say(text: str) -> None:
    """A sentence for people; what a script wants stands alone on stdout."""
    print(text, file=sys.stderr)


def show_words(other: Other) -> None:
    """The words on stdout, and what to do with them."""
    say(f"Compare these words with {other.party} by phone:")
    print(other.words, flush=True)
    say(f'Then: intertie partner confirm {other.party} --words "WHAT THEY READ OUT". They do the same.')


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


def terms_text(terms: Terms, covers: Iterable[str]) -> str:
    """What is agreed, for people."""
    when = ""
    if terms.start is not None:
        end = f" to {terms.until.isoformat()}" if terms.until else ", open"
        when = f" from {terms.start.isoformat()}{end}"
    return (
        f"{terms.agreement or 'no agreement'}{when}; {', '.join(covers) or 'every flow that the roles allow'}"
    )


def joining_json(joining: Joining) -> dict[str, object]:
    """A joining for programs, without its secrets."""
    other = joining.other
    return {
        "invitation": joining.id,
        "side": joining.side,
        "state": joining.state.value,
        "end": joining.end,
        "address": joining.address,
        "terms": joining.terms,
        "wrong": joining.wrong,
        "why": joining.why,
        "party": other.party if other else None,
        "words": other.words if other else None,
        "covers": list(other.covers) if other else None,
    }


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


def print_proof(party: PartyId, lines: Iterable[Line]) -> None:
    """The table of flows, for people."""
    print_table(
        f"Test conversation with {party}",
        ["", "flow", "mode", "result", "message", "profile", "TLS group", "seconds", "need", "detail"],
        [
            [
                "out" if line.outgoing else "in",
                f"{line.flow.interface} {line.flow.document}",
                line.flow.mode.value,
                line.result.value,
                line.message,
                line.profile,
                line.group,
                f"{line.seconds:.3f}" if line.seconds is not None else "",
                line.flow.latency_seconds if line.outgoing else "",
                line.detail,
            ]
            for line in lines
        ],
        empty="Nothing was agreed: by the roles that both hold, no flow goes either way.",
    )
