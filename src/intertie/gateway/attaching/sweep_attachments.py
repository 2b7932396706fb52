"""Files that belong to nothing: what came and no message named, what was sealed and never queued, what is left after a crash."""

from __future__ import annotations

from datetime import datetime, timedelta

from intertie.gateway.attaching.attachment_ports import Attachments, Owner
from intertie.gateway.gateway import Gateway


def sweep_attachments(gateway: Gateway, now: datetime) -> int:
    """Remove them; how many messages and lone files that was. StoreError if it cannot be done."""
    keeping = gateway.attachments
    if keeping is None:
        return 0
    before = now - timedelta(days=keeping.limits.waiting_days)
    count = keeping.files.sweep_drafts(before)
    for coming, at in keeping.files.coming():
        if at < before:
            keeping.files.drop(coming)
            count += 1
    for owner in list(keeping.files.owners()):
        count += _sweep_owner(gateway, keeping, owner, before)
    return count


def _sweep_owner(gateway: Gateway, keeping: Attachments, owner: Owner, before: datetime) -> bool:
    """A message that was erased has no files; one that is not known here may still be on its way, for a while."""
    row = gateway.store.message(
        owner.message, outgoing=owner.partner is None, partner=owner.partner, body=False
    )
    needed = owner.at >= before if row is None else row.erased is None
    if needed:
        return False
    keeping.files.destroy(owner.partner, owner.message)
    return True
