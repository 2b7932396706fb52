"""The store key is renewed while another process would go on: no data key is lost between the old one and the new one."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

from store_builders import NOW, outgoing, queued_entries

from intertie.gateway.ports import Query
from intertie.model.ids import PartyId
from intertie.seal.protection import plain_opener
from intertie.seal.store_kek import StoreKeks, add_store_kek, store_kek_names
from intertie.seal.vault import Vault
from intertie.stores.sqlite import SqliteStore

MESSAGES, RENEWALS = 60, 12


def renew(vault: Vault, path: Path) -> None:
    """As `intertie store rewrap` does."""
    store = SqliteStore(path, StoreKeks(vault))
    try:
        with vault.lock():
            old = store_kek_names(vault)
            add_store_kek(vault)
            store.rewrap(StoreKeks(vault), NOW)
            vault.destroy(old)
    finally:
        store.close()


def test_bodies_open_after_renewals_under_a_writing_gateway(tmp_path: Path) -> None:
    vault = Vault.create(tmp_path / "keys", PartyId("grid.example"), "none", plain_opener(tmp_path))
    with vault.lock():
        add_store_kek(vault)
    store = SqliteStore(tmp_path / "store.db", StoreKeks(vault))
    written: list[int] = []

    def write() -> None:
        for number in range(1, MESSAGES + 1):
            message = outgoing(number)
            # another month each time, so that each needs a data key of its own
            at = NOW + timedelta(days=31 * number)
            written.extend(store.add_outgoing([message], queued_entries([message]), at))

    writing = threading.Thread(target=write)
    writing.start()
    for _ in range(RENEWALS):
        renew(vault, tmp_path / "store.db")
    writing.join()
    assert len(written) == MESSAGES
    renew(vault, tmp_path / "store.db")
    store.close()
    again = SqliteStore(tmp_path / "store.db", StoreKeks(vault))
    rows = again.messages(Query(outgoing=True, limit=1000))
    again.close()
    assert len(rows) == MESSAGES and all(row.body for row in rows)
    assert len(store_kek_names(vault)) == 1
