"""A plot of a hundred thousand points in a real browser: all of them are drawn, and the page answers afterwards as ever.

How long it takes is measured by `make bench ONLY=portal`, and asserted nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.portal.chromium import NARROW, PATIENCE_MS, chromium, enter, fits, needs_chromium, watched
from tests.portal.plotting import PATH, POINTS, many_points
from tests.portal.visitors import person, signed_in
from tests.portal.world import World, calling

from intertie.gateway.office.api_keys import OfficeRole

# Pixels of the canvas that are not its background, and how many columns of it have one.
INKED = """() => {
  const canvas = document.querySelector('figure.plot canvas'), { width, height } = canvas;
  const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  const columns = new Set();
  for (let i = 3; i < data.length; i += 4) if (data[i]) columns.add((i - 3) / 4 % width);
  return [columns.size, width];
}"""
SCALE = (
    "() => { const { min, max } = document.querySelector('figure.plot').plot.scales.x; return [min, max]; }"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "office", made=False)
    yield world
    world.close()


@pytest.fixture
def drawn(world: World) -> Iterator[Page]:
    """The page, with its plot."""
    code = person(world, "ann", [OfficeRole.OPERATOR])
    with many_points(), calling(world) as url, chromium() as browser, watched(browser) as seen:
        page = seen.page()
        enter(page, url.replace("127.0.0.1", "localhost"), code)
        page.goto(url.replace("127.0.0.1", "localhost") + PATH)
        figure = page.locator("figure.plot")
        expect(figure).to_have_attribute("data-drawn", str(POINTS), timeout=PATIENCE_MS)
        yield page


@needs_chromium
def test_a_hundred_thousand_points_are_drawn_and_the_page_goes_on(drawn: Page) -> None:
    columns, width = drawn.evaluate(INKED)
    assert columns > width * 0.8  # the line goes from end to end
    expect(drawn.locator("figure.plot .u-legend")).to_contain_text("load (kW)")
    before = drawn.evaluate(SCALE)
    box = drawn.locator("figure.plot .u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    drawn.mouse.move(box["x"] + box["width"] * 0.2, middle)
    drawn.mouse.down()
    drawn.mouse.move(box["x"] + box["width"] * 0.3, middle, steps=4)
    drawn.mouse.up()  # a tenth of it, as one looks closer
    low, high = drawn.evaluate(SCALE)
    assert before[0] < low < high < before[1] and (high - low) < (before[1] - before[0]) / 5
    times = drawn.evaluate("document.querySelector('figure.plot').plot.axes[0]._values")
    assert times and all(re.match(r"\d\d(:\d\d){1,2}(\n|$)|\d\d-\d\d|\d{4}", time) for time in times)
    legend = drawn.locator("figure.plot .u-legend .u-series").first  # as tables write times: 24 hours
    expect(legend).to_have_text(re.compile(r"Time\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"))
    drawn.set_viewport_size(NARROW)
    canvas = drawn.locator("figure.plot canvas")
    for _ in range(PATIENCE_MS // 100):  # the page's policy lets nobody wait inside it
        if canvas.evaluate("one => one.clientWidth") < NARROW["width"]:
            break
        drawn.wait_for_timeout(100)
    fits(drawn, PATH)
    expect(drawn.get_by_text("The plot could not be drawn")).to_have_count(0)


def test_the_numbers_of_the_plot_are_all_there_and_say_what_is_missing(world: World) -> None:
    """Without a browser: what it is given."""
    with many_points():
        browser = signed_in(world, OfficeRole.AUDITOR)
        assert f'data-plot="{PATH}/plot"' in browser.get(PATH).text
        said = browser.get(f"{PATH}/plot").json()
    load, asked = said["series"]
    assert len(said["x"]) == len(load["values"]) == len(asked["values"]) == POINTS
    assert load["values"].count(None) == 96 and None not in asked["values"]
    assert [one["unit"] for one in said["series"]] == ["kW", "kW"]
    assert (
        signed_in(world, OfficeRole.TRADER).get(PATH).status_code == 404
    )  # the real portal has no such page
