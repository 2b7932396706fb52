"""Dispatch under way: another revision of a call by the utility, and what was measured, said by hand by the aggregator."""

from __future__ import annotations

from datetime import timedelta

from intertie.formats.series_csv import read_series
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right
from intertie.gateway.trading import trade_dispatch
from intertie.gateway.trading.trade_compose import ChangeSaid, changes_of
from intertie.gateway.trading.trade_desk import Desk
from intertie.gateway.trading.trade_said import series_in
from intertie.model.ids import NAME, MessageId
from intertie.model.interval import IntervalSeries, Window
from intertie.model.quantity import Unit
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.trading import (
    SERIES_TEXT_MAX,
    address,
    field_time,
    partner_in,
    power_in,
    say,
    window_in,
)
from intertie.portal.pages.visit import Done, Visit
from intertie.portal.pages.web import act

ONE = "/dispatch/one"
MINUTE = timedelta(minutes=1)
# A day of minutes at some forty characters a line; the form itself has half a megabyte.
TABLE_TEXT_MAX = 100_000
# As many as a registration may name, and more than any has.
DERS_MAX = 1_000_000
REVISION_MAX = 2**31 - 1


@act("/dispatch/change", Right.CALL)
def change_dispatch(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """Another revision: until it is answered, what was accepted before stands. One that was composed beside an older revision
    than the newest is not sent."""
    name = _name(form)
    seen = form.number("revision", 1, REVISION_MAX)

    def doing(desk: Desk) -> MessageId:
        before = trade_dispatch.find_dispatch(desk, name).instruction
        if before.revision != seen:
            raise FieldError(f"{name} is at revision {before.revision} by now", do="Load the page again.")
        return trade_dispatch.change(desk, name, **changes_of(desk, before, _change(form, before.window)))

    say(visit, form, stamp, partner_in(visit, form), ["dispatch_instruction"], doing)
    to = address(ONE, partner=form.text("partner"), agreement=form.maybe("agreement", 200), dispatch=name)
    return Done(to, "Changed, as soon as it arrives; what was accepted stands until it is answered.", name)


@act("/dispatch/measure", Right.ANSWER)
def measure_dispatch(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """What was measured, where no system sends it: values from a time on, or a table. What was said of the same time before is
    replaced by it."""
    name, power = _name(form), _measured(form)
    ders = form.number("ders", 0, DERS_MAX) if "ders" in form else None

    def doing(desk: Desk) -> MessageId:
        return trade_dispatch.measure(desk, name, power, ders=ders)

    say(visit, form, stamp, partner_in(visit, form), ["dispatch_telemetry"], doing)
    to = address(ONE, partner=form.text("partner"), agreement=form.maybe("agreement", 200), dispatch=name)
    count = len(power.values)
    return Done(to, f"{count} measured value{'' if count == 1 else 's'} queued.", f"{name} {count} values")


def _name(form: Fields) -> str:
    return form.matching("dispatch", NAME, "dispatch") or form.text("dispatch", "the dispatch")


def _change(form: Fields, before: Window) -> ChangeSaid:
    """A browser's field has no seconds: a time that was left as it stood is the time that it was."""
    typed = window_in(form)
    start, end = (
        old if field_time(old) == field_time(new) else new
        for old, new in ((before.start, typed.start), (before.end, typed.end))
    )
    window = Window(start=start, end=end)
    return ChangeSaid(
        window,
        power_in(form, window),
        form.instant("respond_by", "answer by"),
        form.decimal("ramp", "ramp") if "ramp" in form else None,
    )


def _measured(form: Fields) -> IntervalSeries:
    """The table if there is one, else as many intervals as there are values. FieldError, SettingsError."""
    step = timedelta(minutes=form.number("step", 1, 60, 1))
    table = form.maybe("table", TABLE_TEXT_MAX)
    if ("kw" in form) == (table is not None):
        raise FieldError("what was measured?", do="Give values, or a table, and not both.")
    if table is not None:
        return read_series(table.encode(), {"power_kw": Unit.KW}, {}, step)["power_kw"]
    start, text = form.instant("starts", "from"), form.text("kw", "kW", SERIES_TEXT_MAX)
    if start is None:
        raise FieldError("from is missing", do="Say from when.")
    return series_in("kW", text, Window(start=start, end=start + step * (text.count(",") + 1)), step)


ROUTES = [change_dispatch, measure_dispatch]
