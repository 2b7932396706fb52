"""`intertie partner join`: become a partner of whoever gave us the code."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from intertie.cli._onboarding import joining_json, say, show_words, terms_text
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.exchange.joining import within
from intertie.gateway.partners.join_partner import Review
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, PartyId
from intertie.run import opened
from intertie.run.onboarding import join as join_by_code


def join(
    code: Annotated[list[str], Parameter(negative=())],
    /,
    *,
    party: Annotated[
        PartyOption | None, Parameter(help="Join only if this party invites (recommended).")
    ] = None,
    agreement: Annotated[
        AgreementId | None, Parameter(help="Join only if this agreement is proposed (recommended).")
    ] = None,
    flow: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="Accept only this of what is proposed; may be given again."),
    ] = (),
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Join by an invitation's code, and print the words to compare. If it breaks off, run it again with the same code.

    Parameters
    ----------
    code
        The code as you got it: case, blanks and dashes do not matter.
    """

    def accept(seen: Review) -> tuple[str, ...]:
        _check(seen, party, agreement, flow)
        return flow or seen.terms.covers

    with opened(dir) as it:
        joined = join_by_code(it, " ".join(code), accept)
    if json:
        print_json(joining_json(joined))
    elif joined.other is not None:
        say(f"Joined {joined.other.party}: {terms_text(joined.terms, joined.other.covers)}")
        show_words(joined.other)


def _check(seen: Review, party: PartyId | None, agreement: AgreementId | None, flow: tuple[str, ...]) -> None:
    """Before anything of ours is sent. What is agreed is agreed between people: here it is only held to it."""
    if party not in (None, seen.descriptor.party):
        raise SettingsError(
            f"{seen.descriptor.party} invites, not {party}; nothing was sent",
            do="Find out who gave you the code.",
        )
    if agreement not in (None, seen.terms.agreement):
        raise SettingsError(
            f"{seen.terms.agreement or 'no agreement'} is proposed, not {agreement}; nothing was sent",
            do="Agree on it, and have them invite again.",
        )
    if flow and not within(flow, seen.terms.covers):
        raise SettingsError(
            f"only {', '.join(seen.terms.covers)} is proposed; nothing was sent",
            do="Accept a part of it with --flow, or have them invite again.",
        )
