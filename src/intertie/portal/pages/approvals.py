"""What waits for a second person: looked at, approved, or dropped."""

from __future__ import annotations

from intertie.gateway.office.approvals import check_second, find_approval, open_approvals
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.model.errors import SettingsError
from intertie.portal.pages.reading import Fields
from intertie.portal.pages.visit import Done, View, Visit
from intertie.portal.pages.web import ACTS, act, check_visit, page

SELF = "/approvals"
ONE = SELF + "/{approval:str}"
# What a form carries for itself, or must not be shown.
_HIDDEN = {"csrf", "once", "password", "again", "secret", "code", "credential"}


@page(SELF, Right.KNOW)
def approvals_page(visit: Visit) -> View:
    """Those that this person may approve, and their own."""
    lines = [
        {
            "one": one,
            "mine": one.person == visit.person,
            "fields": [(name, value) for name, value in one.fields if name not in _HIDDEN and value],
        }
        for one in open_approvals(visit.office.people, visit.now)
        if one.person == visit.person or visit.may(ACTS[one.act].right)
    ]
    return View("approvals.html", "Approvals", {"lines": lines})


@act(ONE + "/approve", Right.KNOW)
def approve(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """The second person does it: with the right that the act itself needs."""
    book = visit.office.people
    one = find_approval(book, visit.at["approval"], visit.now)
    check_second(one, visit.person)
    wanted = ACTS[one.act]
    check_visit(visit, wanted.right)
    if book.take_approval(one.id) is None:
        raise SettingsError("somebody was faster", do="Look at the list again.")
    as_asked = visit._replace(path=one.path, at=one.at)
    try:
        done = wanted.does(as_asked, Fields(one.fields), stamp)
    except BaseException:
        book.put_approval(one)  # refused: it may be mended and approved later
        raise
    return done._replace(noted=f"{one.act.replace('_', ' ')} {done.noted} asked by {one.person}")


@act(ONE + "/drop", Right.KNOW)
def drop_approval(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Not done: by whoever asked, or by whoever might have approved."""
    one = find_approval(visit.office.people, visit.at["approval"], visit.now)
    if one.person != visit.person:
        check_visit(visit, ACTS[one.act].right)
    visit.office.people.take_approval(one.id)
    return Done(SELF, "Dropped: nothing was done.", f"{one.act.replace('_', ' ')} asked by {one.person}")


ROUTES = [approvals_page, approve, drop_approval]
