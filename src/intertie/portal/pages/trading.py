"""What the pages of the trade share: with whom, under which agreement, and how an act is done with one partner or several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from intertie.gateway.gateway import Partner
from intertie.gateway.office.office_acts import NotHere, at_desk
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_several import stamp_for
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_said import series_in
from intertie.gateway.views.view_trade import agreements, check_may_say, look_at, may_say, other_side
from intertie.model.errors import IntertieError
from intertie.model.ids import NAME, PARTY, AgreementId, MessageId, PartyId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.party import Role
from intertie.model.record import RuleError
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.visit import Visit

# Lengths of an interval to choose from, in minutes; the contract says which are agreed.
STEPS = ("5", "15", "30", "60")
# A day of five-minute values, each with its comma.
SERIES_TEXT_MAX = 4_000


class With(NamedTuple):
    """The partner that a page is about, the desk to look from, and all there are to choose from."""

    partner: Partner
    desk: Desk
    all: tuple[Partner, ...]


def is_utility(visit: Visit) -> bool:
    """Whether outages of the grid, needs and calls are ours to say."""
    return Role.DISTRIBUTION_UTILITY in visit.gateway.party.roles


def chosen(visit: Visit) -> With | None:
    """The partner that the address names, or the first; None if there is nobody to trade with. NotHere if it is no partner."""
    all = tuple(other_side(visit.gateway))
    named = visit.query.matching("partner", PARTY, "partner")
    if named is None and not all:
        return None
    partner = all[0] if named is None else _found(all, named)
    said = visit.query.matching("agreement", NAME, "agreement")
    agreement = None if said is None else AgreementId(said)
    return With(partner, look_at(visit.gateway, partner.party, visit.now, agreement), all)


def partner_in(visit: Visit, form: Fields) -> Partner:
    """The partner that a form names. NotHere if there is none of this name on the other side."""
    return _found(other_side(visit.gateway), form.text("partner", "the partner", 200))


def partners_in(visit: Visit, form: Fields) -> list[Partner]:
    """All that a form names, each once. FieldError if it names none."""
    names = list(dict.fromkeys(form.many("partner")))
    if not names:
        raise FieldError("nobody is named", do="Choose whom to tell.")
    return [_found(other_side(visit.gateway), name) for name in names]


def _found(all: Iterable[Partner], name: str) -> Partner:
    found = next((one for one in all if one.party == name), None)
    if found is None:
        raise NotHere("there is no such partner to trade with", do="Partners lists those there are.")
    return found


def desks(visit: Visit) -> list[Desk]:
    """The desk with everybody on the other side, at one moment."""
    return [look_at(visit.gateway, one.party, visit.now) for one in other_side(visit.gateway)]


def says(visit: Visit, partner: Partner | None, *documents: str) -> bool:
    """Whether the person may say one of these to the partner."""
    return partner is not None and any(
        may_say(visit.gateway, partner, visit.roles, document) for document in documents
    )


def under(visit: Visit, form: Fields, partner: Partner) -> AgreementId | None:
    """The agreement that a form names, or the first of several that are in force."""
    said = form.matching("agreement", NAME, "agreement")
    if said is not None:
        return AgreementId(said)
    several = agreements(Desk(visit.gateway, partner.party, visit.now))
    return several[0] if len(several) > 1 else None


def say(
    visit: Visit,
    form: Fields,
    stamp: Stamp,
    partner: Partner,
    documents: Sequence[str],
    doing: Callable[[Desk], MessageId | Sequence[MessageId]],
) -> list[MessageId]:
    """One act with one partner, once for its stamp. NotAllowed if it is not the person's to say."""
    _check(visit, partner, documents)
    return at_desk(visit.gateway, partner.party, stamp, doing, under(visit, form, partner))


def say_to_all(
    visit: Visit,
    form: Fields,
    stamp: Stamp,
    partners: Sequence[Partner],
    documents: Sequence[str],
    doing: Callable[[Desk], MessageId | Sequence[MessageId]],
) -> str:
    """One act with several partners, with each at once or not at all; what came of it, in a sentence. What went wrong with one
    keeps back no other; raised is it if it went wrong with all."""
    told: list[PartyId] = []
    wrong: dict[PartyId, IntertieError] = {}
    for partner in partners:
        _check(visit, partner, documents)
    for partner in partners:
        mine = stamp_for(stamp, partner.party)
        try:
            at_desk(visit.gateway, partner.party, mine, doing, under(visit, form, partner))
        except IntertieError as error:
            wrong[partner.party] = error
        else:
            told.append(partner.party)
    if wrong and not told:
        raise next(iter(wrong.values()))
    said = [f"Queued for {', '.join(told)}."]
    said += [f"Not for {party}: {error.why}." for party, error in wrong.items()]
    return " ".join(said)


def _check(visit: Visit, partner: Partner, documents: Sequence[str]) -> None:
    if not says(visit, partner, *documents):
        check_may_say(visit.gateway, partner, visit.roles, documents[0])


def address(path: str, **query: object) -> str:
    """A path of ours with these values; those that are None or blank are left out."""
    given = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


def about(found: With | None) -> Mapping[str, Any]:
    """What every page of the trade shows at its top."""
    if found is None:
        return {"partner": None, "partners": (), "agreement": "", "agreements": ()}
    known = agreements(found.desk)
    return {
        "partner": found.partner,
        "partners": found.all,
        "agreement": found.desk.agreement if len(known) > 1 else "",
        "agreements": known,
    }


def window_in(form: Fields) -> Window:
    """From `starts` to `ends`, or for so many `minutes`; FieldError."""
    start, end = form.instant("starts", "from"), form.instant("ends", "until")
    if start is None:
        raise FieldError("from is missing", do="Say from when.")
    if end is None:
        end = start + timedelta(minutes=form.number("minutes", 1, 7 * 24 * 60))
    try:
        return Window(start=start, end=end)
    except RuleError as error:
        raise FieldError("until is not after from", do="Give a later time.") from error


def power_in(form: Fields, window: Window, name: str = "kw") -> IntervalSeries:
    """One value for the window, or one for each interval of `step` minutes. FieldError, SettingsError."""
    step = form.number("step", 1, 1440, 15)
    return series_in("kW", form.text(name, "kW", SERIES_TEXT_MAX), window, timedelta(minutes=step))


def series_for(text: str, like: IntervalSeries) -> IntervalSeries:
    """One value, or one for each interval, over the intervals of another series. SettingsError."""
    return series_in("kW", text, Window(start=like.start, end=like.end), like.step)


def field_time(at: datetime) -> str:
    """A time as the browser's field has it, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def soon(now: datetime, after: timedelta) -> datetime:
    """The next quarter of an hour after so long."""
    at = (now + after).replace(second=0, microsecond=0)
    return at + timedelta(minutes=(-at.minute) % 15)


def flag(form: Fields, name: str) -> bool:
    """A box that was ticked."""
    return form.maybe(name, 10) == "yes"
