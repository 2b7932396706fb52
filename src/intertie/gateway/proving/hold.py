"""Legal holds: what must not be erased as long as a case is open, and who asked for it."""

from __future__ import annotations

import re
from datetime import datetime

from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import Hold
from intertie.model.errors import SettingsError
from intertie.model.ids import NAME, AgreementId, MessageId


def hold(
    gateway: Gateway,
    message: MessageId | None,
    agreement: AgreementId | None,
    reference: str,
    now: datetime,
) -> Hold:
    """Hold one message, or all under an agreement, for the case of this reference; the hold there is, if there is one.

    SettingsError for a message that is not here, or a reference that is no name of a case: texts about people do not
    belong into it.
    """
    if not re.match(NAME, reference):
        raise SettingsError("a hold needs the name of its case", do="Give --reference, as CASE-2026-117.")
    if message is not None and gateway.store.message(message, body=False) is None:
        raise SettingsError(f"no message {message} here", do="`intertie inbox` and `outbox` list them.")
    if agreement is not None and not re.match(NAME, agreement):
        raise SettingsError("that is no id of an agreement", do="`intertie partner list` shows them.")
    return gateway.store.hold(message, agreement, reference, now)


def release(gateway: Gateway, number: int, now: datetime) -> Hold:
    """End a hold. SettingsError if it is not in force."""
    ended = gateway.store.release(number, now)
    if ended is None:
        raise SettingsError(f"no hold {number} is in force", do="`intertie hold` lists them.")
    return ended
