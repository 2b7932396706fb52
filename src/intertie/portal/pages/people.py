"""Who may come in: people, their roles, codes for those who begin or lost their telephone."""

from __future__ import annotations

from datetime import timedelta

from intertie.gateway.office.api_keys import OfficeRole
from intertie.gateway.office.approvals import TwoPeople
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right, Roles
from intertie.gateway.office.people import CODE_LIFE, PERSON, add_person, disable, make_code, set_roles
from intertie.model.errors import SettingsError
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import act, page

SELF = "/settings/people"
ONE = SELF + "/{name:str}"


@page(SELF, Right.PEOPLE)
def people_page(visit: Visit) -> View:
    """The list."""
    book = visit.office.people
    lines = [
        {
            "person": person,
            "sessions": sum(one.valid(visit.now) for one in book.sessions(person.name)),
            "me": person.name == visit.person,
        }
        for person in book.people()
    ]
    return View("people.html", "People", {"lines": lines, "roles": list(OfficeRole)})


@act(SELF, Right.PEOPLE, TwoPeople.PERSON)
def add_somebody(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A new person, with a code to begin with."""
    name = form.matching("name", PERSON, "the name") or form.text("name", "the name")
    add_person(visit.gateway, visit.office.people, name, _roles(form), stamp.at, visit.person)
    return _with_code(visit, name, stamp)


@act(ONE + "/code", Right.PEOPLE, TwoPeople.PERSON)
def make_somebody_code(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A code for somebody who is here already."""
    return _with_code(visit, visit.at["name"], stamp)


@act(ONE + "/roles", Right.PEOPLE, TwoPeople.PERSON)
def change_roles(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Other roles. One's own stay: nobody gives themselves more, and the last administrator stays one."""
    name = visit.at["name"]
    _check_other(visit, name)
    done = set_roles(visit.gateway, visit.office.people, name, _roles(form), stamp.at, visit.person)
    return Done(SELF, f"{name} is {', '.join(done.roles)} now.", name)


@act(ONE + "/disable", Right.PEOPLE)
def disable_somebody(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Somebody comes in no more, from the next request on."""
    name = visit.at["name"]
    _check_other(visit, name)
    disable(visit.gateway, visit.office.people, name, stamp.at, visit.person)
    return Done(SELF, f"{name} comes in no more.", name)


def _with_code(visit: Visit, name: str, stamp: Stamp) -> Done:
    code = make_code(visit.gateway, visit.office.people, name, CODE_LIFE, stamp.at, visit.person)
    hours = CODE_LIFE // timedelta(hours=1)
    return Done(SELF, f"The sign-in code of {name}, for {hours} hours and one use: {code}", name)


def _roles(form: Fields) -> Roles:
    try:
        return frozenset(map(OfficeRole, form.many("role")))
    except ValueError as error:
        raise FieldError("there is no such role", do="Choose one of the list.") from error


def _check_other(visit: Visit, name: str) -> None:
    if name == visit.person:
        raise SettingsError("this is yourself", do="Ask another administrator.")


ROUTES = [people_page, add_somebody, make_somebody_code, change_roles, disable_somebody]
