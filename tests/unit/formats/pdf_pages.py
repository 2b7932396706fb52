"""A PDF as a reader gets it: the text of its pages, and what stands where when it is printed."""

from __future__ import annotations

import numpy as np
import pypdfium2

# Two pixels a point; printers reach to a quarter of an inch, 36 of them.
SCALE = 2.0
EDGE = 40
INK = 128


class Printed:
    """A document, opened by another program than the one that made it."""

    def __init__(self, raw: bytes) -> None:
        self._document = pypdfium2.PdfDocument(raw)
        self.count = len(self._document)
        self.texts = [page.get_textpage().get_text_range().replace("\r\n", "\n") for page in self._document]

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    @property
    def metadata(self) -> dict[str, str]:
        return self._document.get_metadata_dict()

    def ink(self, page: int) -> np.ndarray:
        """Where the page is dark."""
        image = self._document[page].render(scale=SCALE).to_numpy()
        return image.reshape(*image.shape[:2], -1).min(axis=2) < INK

    def within_margins(self, page: int) -> bool:
        dark = self.ink(page)
        inner = dark[EDGE:-EDGE, EDGE:-EDGE].sum()
        return bool(inner) and inner == dark.sum()
