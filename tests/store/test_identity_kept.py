"""What every store remembers of connections, certificates and descriptors."""

from __future__ import annotations

import pytest
from store_builders import (
    NOW,
    OTHER,
    THEM,
    TLS,
    accepted,
    chain,
    incoming,
    outgoing,
    parcel,
    parcel_id,
    queued_entries,
    write_receipt,
)

from intertie.exchange.outbound import State
from intertie.gateway.ports import Store
from intertie.model.errors import StoreError


def test_an_incoming_parcel_keeps_the_connection_it_came_over(store: Store) -> None:
    messages = incoming([1])
    row = parcel(1, messages)._replace(transport=TLS)
    store.accept(row, messages, [], accepted(messages), write_receipt, NOW)
    for kept in (store.find_incoming_parcel(THEM, parcel_id(1)), store.parcel(parcel_id(1), outgoing=False)):
        assert kept is not None and kept.transport == TLS


def test_an_outgoing_parcel_keeps_the_connection_its_receipt_came_over(store: Store) -> None:
    one = outgoing(1)
    store.add_outgoing([one], queued_entries([one]), NOW)
    store.add_parcel(parcel(1, [one], out=True), [one.id], NOW)
    waiting = store.unfinished_parcel(THEM, NOW)
    assert waiting is not None and waiting.transport is None
    store.close_parcel(parcel_id(1), b"receipt", [(one.id, State.ACCEPTED, "")], [], NOW, transport=TLS)
    kept = store.parcel(parcel_id(1), outgoing=True)
    assert kept is not None and kept.transport == TLS


def test_chains_are_found_by_the_hash_of_their_leaf(store: Store) -> None:
    first, second = chain(1), chain(2)
    store.keep_chains(dict([first, second]))
    assert store.chain(first[0]) == first[1]
    assert store.chain(second[0]) == second[1]
    assert store.chain(bytes(32)) is None


def test_a_kept_chain_stays_as_it_is(store: Store) -> None:
    thumbprint, certificates = chain(1)
    store.keep_chains({thumbprint: certificates})
    store.keep_chains({thumbprint: (certificates[0], b"another intermediate")})
    assert store.chain(thumbprint) == certificates


@pytest.mark.parametrize("certificates", [(), (b"other leaf",)])
def test_a_chain_under_another_thumbprint_is_not_kept(store: Store, certificates: tuple[bytes, ...]) -> None:
    with pytest.raises(StoreError, match="thumbprint"):
        store.keep_chains({bytes(32): certificates})
    assert store.chain(bytes(32)) is None


def test_keeping_known_chains_writes_nothing(store: Store) -> None:
    store.keep_chains(dict([chain(1)]))
    before = store.changed()
    store.keep_chains(dict([chain(1)]))
    store.keep_chains({})
    assert store.changed() == before


def test_announced_only_grows(store: Store) -> None:
    assert store.announced(THEM) == 0
    store.set_announced(THEM, 3)
    store.set_announced(THEM, 2)
    store.set_announced(OTHER, 1)
    assert (store.announced(THEM), store.announced(OTHER)) == (3, 1)
    assert store.next_seq(THEM) == 1  # apart from the numbers of parcels
    assert store.announced(THEM) == 3
