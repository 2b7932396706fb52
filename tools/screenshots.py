"""Pictures of every page of both portals of a played season, light and dark, wide and narrow: `make screenshots`.

The pages are found by following links from the navigation; of pages that differ only in an id, the first is taken. The pictures
go to docs/screenshots/, which is not kept in the repository, with an index to look at them side by side.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright
from rich.progress import track

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "screenshots"
LOOKS = {
    "wide-light": ({"width": 1280, "height": 900}, "light"),
    "wide-dark": ({"width": 1280, "height": 900}, "dark"),
    "narrow-light": ({"width": 380, "height": 800}, "light"),
    "narrow-dark": ({"width": 380, "height": 800}, "dark"),
}
PORTAL = re.compile(r"Portal of .*?: (http://localhost:\d+)/sign-in .*?sign-in code of (\w+): (\S+)")
# A season takes half a minute on a quiet machine.
PATIENCE_SECONDS = 900
PAGES_MAX = 80
# Of one page, on a machine that does other work, too.
PAGE_MS = 120_000
LINKS = "all => all.map(a => [a.getAttribute('href'), a.hasAttribute('download')])"
STYLE = "div{display:flex;align-items:start;gap:1em;overflow:auto}img{border:1px solid;max-height:60vh}"


@contextlib.contextmanager
def season(folder: Path) -> Iterator[list[tuple[str, str, str]]]:
    """A season, played, whose gateways go on serving: address, person and code of each portal."""
    out = folder / "out.txt"
    with out.open("w") as file:
        playing = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "intertie"),
                "demo",
                "--serve",
                "--keep",
                str(folder / "season"),
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while "Ctrl-C ends them" not in out.read_text():
            if playing.poll() is not None or time.monotonic() > until:
                sys.exit(f"the season was not played:\n{out.read_text()[-2000:]}")
            time.sleep(0.5)
        yield PORTAL.findall(out.read_text())
    finally:
        playing.send_signal(signal.SIGINT)
        playing.wait()


def shape(path: str) -> str:
    """A path without what differs between things of one kind."""
    parts = urlsplit(path)
    pieces = [piece if re.fullmatch(r"[a-z-]+", piece) else "one" for piece in parts.path.split("/") if piece]
    return "-".join(pieces) or "today"


def found_pages(page: Page, url: str) -> dict[str, str]:
    """Name and path of every page, by following links."""
    pages: dict[str, str] = {}
    waiting = ["/"]
    while waiting and len(pages) < PAGES_MAX:
        path = waiting.pop(0)
        if shape(path) in pages:
            continue
        answer = page.goto(url + path)
        if answer is None or not answer.ok or "html" not in answer.headers.get("content-type", ""):
            continue
        pages[shape(path)] = path
        for link in page.eval_on_selector_all("main a[href], nav a[href]", LINKS):
            href, download = link
            if href.startswith("/") and not download and not href.startswith(("/api", "/static")):
                waiting.append(href.partition("#")[0])
    return pages


def taken(browser: Browser, url: str, who: str, code: str) -> list[tuple[str, str]]:
    """All pictures of one portal: page and look."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PAGE_MS)
    page.goto(f"{url}/sign-in")
    page.get_by_label("Code", exact=True).fill(code)
    page.get_by_role("button", name="Use the code").click()
    page.get_by_role("heading", name="How you sign in").wait_for()
    pages = found_pages(page, url)
    made = []
    for name, path in track(pages.items(), description=f"pages of {who}"):
        for look, (size, scheme) in LOOKS.items():
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            page.goto(url + path)
            page.wait_for_selector("html[data-ready]")
            page.wait_for_timeout(300)  # plots are drawn once their numbers are there
            page.screenshot(path=TARGET / f"{who}-{name}-{look}.png", full_page=True)
            made.append((f"{who}-{name}", look))
    context.close()
    return made


def index(made: list[tuple[str, str]]) -> str:
    """A page with all of them."""
    names = dict.fromkeys(name for name, _ in made)
    rows = "".join(
        f"<h2>{escape(name)}</h2><div>"
        + "".join(f'<img loading="lazy" src="{escape(name)}-{look}.png" alt="{look}">' for look in LOOKS)
        + "</div>"
        for name in names
    )
    return f"<!doctype html><meta charset=utf-8><title>Screenshots</title><style>{STYLE}</style>{rows}"


def main() -> None:
    """Play, walk, take."""
    program = shutil.which("chromium") or sys.exit("no chromium here: apt-get install chromium")
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir()
    with (
        tempfile.TemporaryDirectory() as folder,
        season(Path(folder)) as portals,
        sync_playwright() as player,
    ):
        browser = player.chromium.launch(executable_path=program)
        made = [one for url, who, code in portals for one in taken(browser, url, who, code)]
        browser.close()
    (TARGET / "index.html").write_text(index(made), encoding="utf-8")
    print(f"{len(made)} pictures in {TARGET.relative_to(ROOT)}: open index.html there.")


if __name__ == "__main__":
    main()
