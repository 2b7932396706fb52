"""What the commands of onboarding share: who did it, which joining is meant, and how a joining and a proof are shown."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable

from intertie.cli._shared import print_table
from intertie.exchange.joining import Terms
from intertie.gateway.partners.join_partner import Joining, Other
from intertie.gateway.partners.prove_partner import Line
from intertie.model.ids import PartyId


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
