"""A page of the portal with a plot of a hundred thousand points, three years of quarter hours in two series."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from unittest.mock import patch

from jinja2 import ChoiceLoader, DictLoader

from intertie.gateway.office.office_rights import Right
from intertie.portal.pages import pages, rendering
from intertie.portal.pages.visit import Data, View, Visit
from intertie.portal.pages.web import page

PATH, POINTS = "/many-points", 100_000
START, STEP_SECONDS = 1_767_225_600, 900
# What a plot misses looks like a gap: a day in the middle.
GAP = range(POINTS // 2, POINTS // 2 + 96)
_TEMPLATE = """{% extends "base.html" %}{% import "parts.html" as ui %}
{% block main %}<h1>{{ title }}</h1>{{ ui.plot(data, "Load of many years") }}{% endblock %}"""


@page(PATH, Right.KNOW)
def many_points_page(visit: Visit) -> View:
    """The page."""
    return View("many_points.html", "Many points", {"data": f"{PATH}/plot"})


@page(f"{PATH}/plot", Right.KNOW)
def many_points_plot(visit: Visit) -> Data:
    """Its numbers, as the pages of the trade give theirs."""
    load = [
        None if n in GAP else round(4000 + 1500 * math.sin(n / 15.3) + 7 * (n % 13), 1) for n in range(POINTS)
    ]
    asked = [3000.0 + 500 * (n // 400 % 4) for n in range(POINTS)]
    return Data(
        {
            "x": list(range(START, START + POINTS * STEP_SECONDS, STEP_SECONDS)),
            "series": [
                {"label": "load", "unit": "kW", "values": load, "stepped": False},
                {"label": "instruction", "unit": "kW", "values": asked, "stepped": True},
            ],
        }
    )


@contextlib.contextmanager
def many_points() -> Iterator[None]:
    """An application that is made meanwhile has the page."""
    env = rendering._ENVIRONMENT
    assert env.loader is not None
    loader = ChoiceLoader([env.loader, DictLoader({"many_points.html": _TEMPLATE})])
    with (
        patch.object(env, "loader", loader),
        patch.object(pages, "ROUTES", [*pages.ROUTES, many_points_page, many_points_plot]),
    ):
        yield
