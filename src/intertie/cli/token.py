"""`intertie token`: the access tokens that partners get here, and the key that signs them."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from cyclopts import App, Parameter

from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_pairs, print_table, when
from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.run import Opened, opened
from intertie.seal.token_keys import rotate_token_key
from intertie.seal.tokens import AccessToken

app = App(name="token", help="Access tokens: what partners may be granted, what is revoked, the signing key.")

TokenText = Annotated[str, Parameter(help='The token, or "-" to read it from standard input.')]
# Our own copies of the key set may be this old (Cache-Control of jwks_uri), and processes follow a rotation at once.
OVERLAP_ROOM = timedelta(seconds=60)


class _Line(NamedTuple):
    """What one partner may be granted."""

    party: PartyId
    suspended: bool
    narrowed: bool
    scopes: list[str]
    revoked_up_to: datetime | None


@app.command(name="list")
def list_tokens(*, dir: Dir = HERE, json: Json = False) -> None:
    """List what each partner may be granted now, and what is revoked. Tokens are not kept: they prove themselves."""
    with opened(dir) as it:
        since = it.gateway.store.revoked_partners()
        lines = [
            _Line(
                partner.party,
                partner.suspended,
                partner.scopes is not None,
                sorted(it.authority.scopes_of(partner)),
                since.get(partner.party),
            )
            for partner in it.partners.all()
        ]
        revoked = it.gateway.store.revoked_tokens(it.clock())
        lifetime = it.settings.authorization.token_seconds
    if json:
        partners = [line._asdict() for line in lines]
        print_json(
            {"token_seconds": lifetime, "partners": partners, "revoked": [one._asdict() for one in revoked]}
        )
        return
    print_table(
        f"What partners may be granted, for {lifetime} seconds at a time",
        ["party", "state", "scopes", "all revoked up to"],
        [
            [line.party, _state(line), " ".join(line.scopes) or "(none)", when(line.revoked_up_to)]
            for line in lines
        ],
        empty="No partners. `intertie partner add THEIR-descriptor.json` makes one.",
    )
    print_table(
        "Revoked before their end",
        ["token (jti)", "party", "forgotten after"],
        [[one.id, one.partner, when(one.until)] for one in revoked],
        empty="No single token is revoked.",
    )


@app.command
def inspect(token: TokenText, /, *, dir: Dir = HERE, json: Json = False) -> int:
    """Say what a token allows, or why it would not be let in. Exit code 1 if it would not."""
    with opened(dir) as it:
        try:
            said = it.authority.read(_text(token), it.clock())
            scopes = sorted(said.scopes & _present(it, said))
        except Refused as refused:
            print_json({"active": False, "why": refused.detail}) if json else print(refused.detail)
            return 1
    facts = {
        "active": True,
        "jti": said.id,
        "party": said.party,
        "scopes": scopes,
        "issued": said.issued,
        "expires": said.expires,
        "certificate_sha256": said.certificate,
    }
    if json:
        print_json(facts)
    else:
        shown = facts | {
            "scopes": " ".join(scopes),
            "issued": when(said.issued),
            "expires": when(said.expires),
        }
        print_pairs(shown.items())
    return 0


@app.command
def revoke(
    token: TokenText | None = None,
    /,
    *,
    partner: Annotated[
        PartyOption | None, Parameter(help="Revoke every token this partner was granted up to now.")
    ] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Revoke one token, or all that a partner has. It takes effect with the next request, in every process.

    The partner may fetch a new token at once: to keep it out, suspend it in its file in partners/.
    """
    if (token is None) == (partner is None):
        raise SettingsError("which tokens?", do="Give one token, or --partner.")
    with opened(dir) as it:
        now = it.clock()
        if partner is not None:
            if it.gateway.partners.find(partner) is None:
                raise SettingsError(
                    f"{partner} is not a partner here", do="`intertie partner list` names them."
                )
            it.authority.revoke_all(partner, now)
            done: dict[str, object] = {"partner": partner, "up_to": now}
        else:
            said = it.authority.read(_text(token or ""), now)
            it.authority.revoke(said, now)
            done = {"partner": said.party, "jti": said.id}
    if json:
        print_json({"revoked": done})
    else:
        what = f"token {done['jti']}" if "jti" in done else "all tokens granted so far"
        print(f"Revoked: {what} of {done['partner']}")


@app.command
def rotate(*, dir: Dir = HERE, json: Json = False) -> None:
    """Sign with a new key from now on. Tokens under the old one stay good until they end; nothing is restarted."""
    with opened(dir) as it:
        now = it.clock()
        until = now + it.authority.lifetime + it.authority.skew + OVERLAP_ROOM
        it.authority.keys.present()  # makes a first key, so that there is one to retire
        keys = rotate_token_key(it.places.keys, now, until)
    if json:
        print_json({"kid": keys.kid, "old_until": until})
    else:
        print(f"Tokens are signed with key {keys.kid} now; the old key is believed until {when(until)}")


def _state(line: _Line) -> str:
    if line.suspended:
        return "suspended: gets none"
    return "narrowed by its file" if line.narrowed else "by its roles"


def _text(given: str) -> str:
    return sys.stdin.read().strip() if given == "-" else given


def _present(it: Opened, said: AccessToken) -> frozenset[str]:
    """What the token's partner may still have."""
    partner = it.gateway.partners.find(said.party)
    return it.authority.scopes_of(partner) if partner is not None else frozenset()
