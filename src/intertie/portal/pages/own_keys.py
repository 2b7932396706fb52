"""Our own keys: which there are and until when, the next generation, certificates for it, and the end of old ones."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import get_args

from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.operating.turning_ports import OVERLAP, Turned
from intertie.gateway.views.view_keys import keys_view
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import flag
from intertie.portal.pages.visit import Done, Download, View, Visit
from intertie.portal.pages.web import act, page
from intertie.seal.new_keys import Part

SELF = "/settings/keys"
# Beyond this an old key is no overlap but a second one.
OVERLAP_DAYS_MAX = 90
# A certificate with ML-DSA-87 and two authorities above it are some forty kilobytes of PEM.
CHAIN_TEXT_MAX = 100_000
GENERATION_MAX = 9999
PARTS: tuple[Part, ...] = get_args(Part)


@page(SELF, Right.KEYS)
def own_keys_page(visit: Visit) -> View:
    """The page."""
    found = keys_view(visit.gateway, visit.office.beside.own_keys(), visit.now)
    return View(
        "own_keys.html",
        "Our keys",
        {
            "found": found,
            "parts": PARTS,
            "overlap": OVERLAP.days,
            "two": TwoPeople.KEY in visit.office.two_people,
        },
    )


@page(SELF + "/requests/{part:str}", Right.KEYS)
def key_request(visit: Visit) -> Download:
    """A certificate request of the generation that waits."""
    part = visit.at["part"]
    raw = visit.office.beside.own_keys().requests().get(part)
    if raw is None:
        raise NotHere("no such key waits for a certificate", do="Look at the list.")
    return Download(f"{part}.csr.pem", raw, "application/x-pem-file")


@act(SELF + "/rotate", Right.KEYS, TwoPeople.KEY)
def rotate_own_keys(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """The next generation: with certificates at once, or waiting for those of an external authority. A serving gateway takes it
    up within a second and tells its partners."""
    turning, only, in_token = visit.office.beside.own_keys(), _part(form), flag(form, "token")
    how = form.text("how", "who issues", 20)
    if how not in ("own", "external"):
        raise FieldError("who issues the certificates?", do="Choose one.")
    done = turning.made_at(stamp.at) if stamp.again else None
    if how == "external":
        if only == "sealing":
            raise FieldError("keys that open parcels need no certificate", do="Let them be made at once.")
        number = done.generation if done else turning.request(only, stamp.at, in_token=in_token)
        said = f"Generation {number} waits for its certificates: the requests are below."
        return Done(SELF, said, f"{number} requested")
    made = done or turning.rotate(only, _overlap(form), stamp.at, in_token=in_token)
    return Done(SELF, _said(made), str(made.generation))


@act(SELF + "/install", Right.KEYS, TwoPeople.KEY)
def install_certificates(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Put the generation that waits to use, with the authority's answers."""
    turning = visit.office.beside.own_keys()
    waiting = keys_view(visit.gateway, turning, stamp.at).waiting
    if not waiting:
        raise FieldError("no keys wait for certificates", do="Make some, with an external authority.")
    chains = {part: form.text(f"chain-{part}", part, CHAIN_TEXT_MAX).encode() for part in waiting}
    made = turning.install(chains, _overlap(form), stamp.at)
    return Done(SELF, _said(made), str(made.generation))


@act(SELF + "/retire", Right.KEYS, TwoPeople.KEY)
def retire_own_keys(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Destroy the private keys of an old generation before its overlap is over, or of one that waits."""
    number = form.number("generation", 1, GENERATION_MAX)
    parts = visit.office.beside.own_keys().retire(number, stamp.at)
    said = f"Generation {number}: destroyed the private keys of {', '.join(parts)}."
    return Done(SELF, said if parts else f"Generation {number} has none left.", str(number))


def _part(form: Fields) -> Part | None:
    said = form.maybe("only", 20)
    found = next((part for part in PARTS if part == said), None)
    if said is not None and found is None:
        raise FieldError(f"{said[:40]!r} is none of {', '.join(PARTS)}", do="Choose one of them.")
    return found


def _overlap(form: Fields) -> timedelta:
    return timedelta(days=form.number("overlap", 0, OVERLAP_DAYS_MAX, OVERLAP.days))


def _said(made: Turned) -> str:
    until = (
        ""
        if made.until is None
        else f"; older keys are accepted until {made.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    )
    return f"Generation {made.generation} is in use{until}."


ROUTES = [own_keys_page, key_request, rotate_own_keys, install_certificates, retire_own_keys]
