"""Evidence: check a file that somebody dropped, heads of journals and who holds them, lines of ours, a message's place in it."""

from __future__ import annotations

from collections.abc import Sequence

from intertie.bindings.upload.form import Uploaded
from intertie.gateway.office.office_acts import NotHere
from intertie.gateway.office.office_rights import Right
from intertie.gateway.views.view_evidence import EVIDENCE_BYTES_MAX, entries, heads, included, verify_dropped
from intertie.model.ids import UUID7, MessageId
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.visit import View, Visit
from intertie.portal.pages.web import page, upload

EVIDENCE = "/evidence"
# Lines on the first page, and on a page of the journal.
FEW, PAGE = 10, 50


@page(EVIDENCE, Right.PROVE)
def evidence_page(visit: Visit) -> View:
    """Where to drop a file, and how journals stand."""
    return View(
        "evidence.html",
        "Evidence",
        {
            "heads": heads(visit.gateway, visit.office.beside.tsa()),
            "journal": entries(visit.gateway, limit=FEW),
            "file_bytes": EVIDENCE_BYTES_MAX,
        },
    )


@upload(EVIDENCE + "/verify", Right.PROVE, EVIDENCE_BYTES_MAX)
def verify_evidence(visit: Visit, form: Fields, files: Sequence[Uploaded]) -> View:
    """Check a file; nothing of it is kept."""
    if not files:
        raise FieldError("the file is missing", do="Choose an evidence file.")
    beside = visit.office.beside
    name, content = files[0]
    found = verify_dropped(visit.gateway, name[:200], content, visit.now, beside.tsa(), beside.verifiers)
    return View("verified.html", "What the file proves", {"found": found})


@page(EVIDENCE + "/journal", Right.PROVE)
def journal_page(visit: Visit) -> View:
    """Lines of our journal, the newest first."""
    below = visit.query.number("below", 0, 2**62, 2**62)
    return View("journal.html", "Journal", {"journal": entries(visit.gateway, below, PAGE)})


@page(EVIDENCE + "/message", Right.PROVE)
def included_page(visit: Visit) -> View:
    """A message's lines, each proven to lie under our head."""
    id = visit.query.matching("id", UUID7, "the message's id")
    if id is None:
        raise NotHere("no message is named", do="Give its id.")
    return View("included.html", "In our journal", {"found": included(visit.gateway, MessageId(id))})


ROUTES = [evidence_page, verify_evidence, journal_page, included_page]
