"""One call: asked, baseline, metered and delivered as a plot and a table, the days of the baseline, the messages."""

from __future__ import annotations

from urllib.parse import quote

from intertie.gateway.office.office_rights import Right
from intertie.gateway.views.view_event import EventView, Plot, event_view
from intertie.model.ids import NAME
from intertie.portal.pages.settling import ONE, desk_of, name_of
from intertie.portal.pages.visit import Data, View, Visit
from intertie.portal.pages.web import page


@page(ONE + "/events/{name:path}", Right.READ)
def event_page(visit: Visit) -> View:
    """The call, by the newest statement or the one that the address names."""
    found = _found(visit)
    said = f"?statement={quote(visit.query.maybe('statement') or '', safe='')}" if found.performance else ""
    path = f"/settlement/{found.partner}/event-plot/{quote(found.dispatch)}{said}"
    return View("event.html", f"Call {found.dispatch}", {"event": found, "plot": path})


@page(ONE + "/event-plot/{name:path}", Right.READ)
def event_plot(visit: Visit) -> Data:
    """Its curves: energies by interval, or before any statement what was measured."""
    found = _found(visit)
    plot = found.performance.plot if found.performance is not None else found.telemetry
    return Data(plot_data(plot))


def _found(visit: Visit) -> EventView:
    return event_view(desk_of(visit), name_of(visit), visit.query.matching("statement", NAME) or "")


def plot_data(plot: Plot | None) -> dict[str, object]:
    """As the script draws it. An interval's value holds to its end, so the last one is said twice."""
    if plot is None:
        return {"x": [], "series": []}
    ends = [plot.times[-1] + plot.step_seconds] if plot.times else []
    return {
        "x": [*plot.times, *ends],
        "series": [
            {
                "label": curve.name,
                "unit": curve.unit,
                "values": [*curve.values, *curve.values[-1:]],
                "stepped": True,
            }
            for curve in plot.curves
        ],
    }


ROUTES = [event_page, event_plot]
