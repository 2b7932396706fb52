"""How long a browser takes to draw a plot of a hundred thousand points, and how long it stands still meanwhile."""

from __future__ import annotations

import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

# Of so many loads of the page.
LOADS, QUICK_LOADS = 7, 2
# What blocks the page for longer than 50 ms, the browser itself reports.
WATCH = """window.stalls = [];
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.stalls.push(one.duration); })
  .observe({ type: 'longtask', buffered: true });"""


class Row(NamedTuple):
    """Milliseconds: the page asked for until all is drawn; its longest standstill; medians of the loads."""

    points: int
    drawn_ms: float
    stall_ms: float


class NoBrowser(Exception):
    """There is none on this machine; says what to install."""


def measured(loads: int) -> Row:
    """The page of tests/portal/plotting.py, in Debian's Chromium. Raises NoBrowser."""
    chromium, plotting = (import_module(f"tests.portal.{name}") for name in ("chromium", "plotting"))
    world_of, visitors = (import_module(f"tests.portal.{name}") for name in ("world", "visitors"))
    if chromium.PROGRAM is None:
        raise NoBrowser("no chromium here: apt-get install chromium")
    roles = [import_module("intertie.gateway.office.api_keys").OfficeRole.OPERATOR]
    took, stalls = [], []
    with tempfile.TemporaryDirectory(prefix="intertie-bench-") as folder, plotting.many_points():
        world = world_of.World(Path(folder) / "office", made=False)
        code = visitors.person(world, "ann", roles)
        with world_of.calling(world) as url, chromium.chromium() as browser:
            context = browser.new_context(viewport=chromium.WIDE)
            context.add_init_script(WATCH)
            page, here = context.new_page(), url.replace("127.0.0.1", "localhost")
            chromium.enter(page, here, code)
            for _ in range(loads):
                begun = time.perf_counter()
                page.goto(here + plotting.PATH)
                page.wait_for_selector(f'figure[data-drawn="{plotting.POINTS}"]')
                took.append((time.perf_counter() - begun) * 1000)
                page.wait_for_timeout(200)  # the last report comes a moment later
                stalls.append(max(page.evaluate("window.stalls"), default=0.0))
            context.close()
        world.close()
    middle = loads // 2
    return Row(plotting.POINTS, round(sorted(took)[middle], 1), round(sorted(stalls)[middle], 1))
