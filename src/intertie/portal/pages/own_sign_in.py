"""How one signs in: password with an authenticator, passkeys, and where one is signed in now."""

from __future__ import annotations

import io

import segno
from markupsafe import Markup

from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.office.people import Passkey, add_passkey, remove_passkey, set_password
from intertie.gateway.office.sign_in import taken_challenge
from intertie.model.errors import SettingsError
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.sign_in import BODY_BYTES_MAX, read_credential
from intertie.portal.pages.visit import Data, Done, View, Visit
from intertie.portal.pages.web import act, page
from intertie.seal.one_time_codes import enrolment_url, new_secret
from intertie.seal.passkeys import ask_new, read_new

SELF = "/settings/sign-in"
_BASE32 = r"[A-Z2-7]{32}"


@page(SELF, Right.KNOW)
def own_sign_in(visit: Visit) -> View:
    """The page. The authenticator's secret is new with each load, and counts once its first code was right."""
    secret = new_secret()
    drawn = io.BytesIO()
    url = enrolment_url(secret, visit.person, f"Intertie {visit.gateway.party.id}")
    segno.make(url, error="m").save(
        drawn, kind="svg", xmldecl=False, svgns=True, scale=4, border=2, omitsize=True
    )
    person = visit.present.person
    return View(
        "own_sign_in.html",
        "How you sign in",
        {
            "secret": secret,
            "qr": Markup(drawn.getvalue().decode()),  # noqa: S704 drawn by the library from our own text
            "person": person,
            "sessions": [one for one in visit.office.people.sessions(person.name) if one.valid(visit.now)],
            "mine": visit.present.session.digest,
        },
    )


@act(SELF + "/password", Right.KNOW)
def set_own_password(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A password and an authenticator, in place of those before."""
    password = next((value for name, value in form.pairs if name == "password"), "")
    if password != next((value for name, value in form.pairs if name == "again"), ""):
        raise SettingsError("the two passwords differ", do="Type the same twice.")
    secret = form.matching("secret", _BASE32) or ""
    if not secret:
        raise SettingsError("the secret is missing", do="Load the page again.")
    set_password(
        visit.gateway,
        visit.office.people,
        visit.person,
        password,
        secret,
        form.maybe("code", 40) or "",
        stamp.at,
        visit.office.wall(),
    )
    return Done(SELF, "From now on you sign in with this password and the authenticator's code.")


@page(SELF + "/passkey", Right.KNOW)
def ask_passkey_for_me(visit: Visit) -> Data:
    """What the browser is asked to make."""
    person = visit.present.person
    challenge, options = ask_new(
        visit.site,
        person.name,
        bytes.fromhex(person.handle),
        [bytes.fromhex(key.id) for key in person.passkeys],
    )
    visit.office.people.put_challenge(f"new passkey {visit.present.session.digest}", challenge, visit.now)
    return Data({"options": options})


@act(SELF + "/passkey", Right.KNOW)
def add_own_passkey(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A passkey that the browser made."""
    people = visit.office.people
    challenge = taken_challenge(people, f"new passkey {visit.present.session.digest}", visit.now)
    made = read_new(visit.site, challenge, read_credential(form.text("credential", longest=BODY_BYTES_MAX)))
    label = form.maybe("label", 60) or "passkey"
    key = Passkey(
        id=made.id.hex(), public_key=made.public_key.hex(), count=made.uses, label=label, made=stamp.at
    )
    add_passkey(visit.gateway, people, visit.person, key, stamp.at)
    return Done(SELF, f"Added: {label}.")


@act(SELF + "/passkey/remove", Right.KNOW)
def remove_own_passkey(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A passkey that counts no more."""
    remove_passkey(visit.gateway, visit.office.people, visit.person, form.text("id"), stamp.at)
    return Done(SELF, "Removed.")


@act(SELF + "/sessions/end", Right.KNOW)
def end_own_sessions(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Everywhere else one is signed out."""
    people = visit.office.people
    others = [one for one in people.sessions(visit.person) if one.digest != visit.present.session.digest]
    ended = sum(one.valid(visit.now) for one in others if people.end_session(one.digest))
    return Done(SELF, f"Signed out in {ended} other {'browser' if ended == 1 else 'browsers'}.")


ROUTES = [
    own_sign_in,
    set_own_password,
    ask_passkey_for_me,
    add_own_passkey,
    remove_own_passkey,
    end_own_sessions,
]
