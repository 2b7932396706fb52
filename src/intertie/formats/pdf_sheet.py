"""A sheet of paper as PDF: embedded fonts, a head, tables over pages, page numbers. The same input gives the same bytes.

The fonts are Noto Sans, and FiraGO for what it lacks (SIL Open Font License, embedding unrestricted), from a package that has
them as data: a machine's own fonts would give each machine other bytes. Only glyphs that are used are embedded.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import NamedTuple

import pymupdf_fonts
from fpdf import FPDF
from fpdf.enums import Align, XPos, YPos
from fpdf.fonts import TTFFont

SANS, OTHER = "notosans", "firago"
# Family and style, and what the package calls the font.
FONTS = ((SANS, "", "notos"), (SANS, "B", "notosbo"), (OTHER, "", "figo"), (OTHER, "B", "figbo"))
# Millimetres of a page, and points of letters.
MARGIN, LINE, GAP = 16.0, 4.6, 3.0
SMALL, NORMAL, LARGE = 7.0, 9.0, 18.0
FOOT = 18.0
DARK, GREY, RULE, PALE = 25, 105, 190, 238
# What stands for a character that neither font has.
UNKNOWN = "\N{LOZENGE}"
MISSING = f"{UNKNOWN} stands for a character that the fonts of this page lack; the message itself has it."


# A table of the font's hinting tool that a subset does not need: nothing that whoever prints an invoice must hear of.
logging.getLogger("fontTools.subset").setLevel(logging.ERROR)


class Column(NamedTuple):
    """Of a table: its title, its width in parts of all, and whether its text stands at the right."""

    title: str
    width: float
    right: bool = False


class _Pages(FPDF):
    """With the foot of every page."""

    foot = ""

    def footer(self) -> None:
        self.set_y(-FOOT + LINE)
        self.set_font(SANS, "", SMALL)
        self.set_text_color(GREY)
        width = self.epw * 0.8
        self.cell(width, LINE, self.foot, new_x=XPos.RIGHT, new_y=YPos.TOP)
        self.cell(0, LINE, f"Page {self.page_no()} of {{nb}}", align=Align.R)


class Sheet:
    """Pages that are being written."""

    def __init__(self, pdf: _Pages) -> None:
        self._pdf = pdf
        fonts = [font for font in pdf.fonts.values() if isinstance(font, TTFFont)]
        self._known = {point for font in fonts for point in font.cmap}
        self.missing = False

    def text(self, raw: str) -> str:
        """As the fonts can show it: line ends are blanks, and what neither has is marked."""
        plain = " ".join(raw.split())
        shown = "".join(one if ord(one) in self._known else UNKNOWN for one in plain)
        self.missing = self.missing or shown != plain
        return shown

    def write(
        self, raw: str, size: float = NORMAL, *, bold: bool = False, grey: bool = False, right: bool = False
    ) -> None:
        """A paragraph."""
        pdf = self._pdf
        pdf.set_font(SANS, "B" if bold else "", size)
        pdf.set_text_color(GREY if grey else DARK)
        align = Align.R if right else Align.L
        pdf.multi_cell(0, size * 0.5, self.text(raw), align=align, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def gap(self, height: float = GAP) -> None:
        """Some room."""
        self._pdf.ln(height)

    def blocks(self, blocks: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Blocks beside each other, each with a small title: parties, references."""
        pdf = self._pdf
        top, width = pdf.get_y(), pdf.epw / len(blocks)
        ends = [top]
        for place, (title, lines) in enumerate(blocks):
            pdf.set_y(top)
            for number, line in enumerate((title, *lines)):
                pdf.set_x(MARGIN + place * width)
                pdf.set_font(SANS, "B" if number == 1 else "", SMALL if number == 0 else NORMAL)
                pdf.set_text_color(GREY if number == 0 else DARK)
                pdf.multi_cell(
                    width - GAP, LINE, self.text(line), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT
                )
            ends.append(pdf.get_y())
        pdf.set_y(max(ends) + GAP)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """A table; its head is on every page that it reaches, and no row is cut in two."""
        self._head(columns)
        for row in rows:
            self._row(columns, row)
        self._rule()

    def total(self, said: str, amount: str, *, bold: bool = True) -> None:
        """A line under a table."""
        pdf = self._pdf
        pdf.set_font(SANS, "B" if bold else "", NORMAL + 1 if bold else NORMAL)
        pdf.set_text_color(DARK)
        pdf.cell(pdf.epw * 0.8, LINE * 1.3, self.text(said), align=Align.R)
        pdf.cell(0, LINE * 1.3, self.text(amount), align=Align.R, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def room_for(self, height: float) -> None:
        """Begin a page if this one has less room."""
        if self._pdf.will_page_break(height):
            self._pdf.add_page()

    def _widths(self, columns: Sequence[Column]) -> list[float]:
        whole = sum(column.width for column in columns)
        return [self._pdf.epw * column.width / whole for column in columns]

    def _head(self, columns: Sequence[Column]) -> None:
        pdf = self._pdf
        pdf.set_font(SANS, "B", SMALL + 0.5)
        pdf.set_text_color(DARK)
        pdf.set_fill_color(PALE)
        for column, width in zip(columns, self._widths(columns), strict=True):
            align = Align.R if column.right else Align.L
            pdf.cell(width, LINE * 1.4, self.text(column.title), align=align, fill=True)
        pdf.ln(LINE * 1.4)

    def _row(self, columns: Sequence[Column], row: Sequence[str]) -> None:
        pdf = self._pdf
        pdf.set_font(SANS, "", NORMAL - 0.5)
        pdf.set_text_color(DARK)
        widths, cells = self._widths(columns), [self.text(cell) for cell in row]
        split: list[list[str]] = [
            pdf.multi_cell(width, LINE, cell, dry_run=True, output="LINES")  # type: ignore[misc]
            for width, cell in zip(widths, cells, strict=True)
        ]
        height = LINE * max(1, *map(len, split))
        if pdf.will_page_break(height):
            pdf.add_page()
            self._head(columns)
            pdf.set_font(SANS, "", NORMAL - 0.5)
        left, top = pdf.l_margin, pdf.get_y()
        for column, width, cell in zip(columns, widths, cells, strict=True):
            pdf.set_xy(left, top)
            align = Align.R if column.right else Align.L
            pdf.multi_cell(width, LINE, cell, align=align)
            left += width
        pdf.set_xy(pdf.l_margin, top + height)

    def _rule(self) -> None:
        pdf = self._pdf
        pdf.set_draw_color(RULE)
        pdf.line(pdf.l_margin, pdf.get_y() + 0.5, pdf.l_margin + pdf.epw, pdf.get_y() + 0.5)
        pdf.ln(1.5)


def pages(title: str, author: str, foot: str, on: date, fill: Callable[[Sheet], None]) -> bytes:
    """The PDF that `fill` writes. `on` is the date that it carries."""
    with tempfile.TemporaryDirectory(prefix="intertie-fonts-") as name:
        pdf = _Pages(format="letter")
        for family, style, font in FONTS:
            path = Path(name) / f"{family}{style}.ttf"
            path.write_bytes(pymupdf_fonts.myfont(font))
            pdf.add_font(family, style, path)
        pdf.set_fallback_fonts([OTHER], exact_match=False)
        pdf.set_margins(MARGIN, MARGIN)
        pdf.set_auto_page_break(True, FOOT)
        pdf.set_creation_date(datetime.combine(on, time(), UTC))
        pdf.set_producer("Intertie")
        pdf.set_title(title)
        pdf.set_author(author)
        pdf.set_lang("en")
        sheet = Sheet(pdf)
        pdf.foot = sheet.text(foot)
        pdf.add_page()
        fill(sheet)
        if sheet.missing:
            sheet.gap()
            sheet.write(MISSING, SMALL, grey=True)
        return bytes(pdf.output())
