"""Telling people of an Exchange Failure: the standard asks that the trading partner is called, or written to (12.2.24)."""

from __future__ import annotations

import logging

from intertie.gateway.sending.escalate import Mailer
from intertie.model.errors import IntertieError
from intertie.model.ids import PartyId

LOG = logging.getLogger("intertie.internet_et")


class FailureMail:
    """`client.Tell`: a mail to those whom `[escalation]` names, if it names any. One that fails is logged."""

    def __init__(self, mailer: Mailer | None, us: PartyId) -> None:
        self._mailer, self._us = mailer, us

    def __call__(self, partner: str, contact: str, message: str, why: str) -> None:
        """Tell of one."""
        if self._mailer is None:
            return
        try:
            self._mailer.send(*mail_of(self._us, partner, contact, message, why))
        except IntertieError as error:
            LOG.error("mail", extra={"why": error.why})


def mail_of(us: str, partner: str, contact: str, message: str, why: str) -> tuple[str, str]:
    """Subject and text: ids, and what to do."""
    lines = [
        f"{partner} did not take a package of {us} over Internet ET in three attempts.",
        "",
        f"message  {message}",
        f"partner  {partner}",
        f"contact  {contact or 'its legacy file names none'}",
        f"last     {why}",
        "",
        f"Tell {partner}, as the trading partner agreement asks. The package goes again by itself until its message expires.",
        "",
    ]
    return f"[intertie] Exchange Failure with {partner}", "\n".join(lines)
