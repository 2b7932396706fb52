"""Whether a gateway can do its work now, and if not, why: what a load balancer and an operator ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from intertie.gateway.gateway import Gateway
from intertie.model.errors import IntertieError
from intertie.seal.certificates import Chain, read_certificate
from intertie.seal.pem import read_chain


class Reason(msgspec.Struct, frozen=True):
    """One thing that stands in the way."""

    code: str
    why: str


def reasons(gateway: Gateway, unlock: Callable[[], None], now: datetime) -> list[Reason]:
    """What stands in the way; nothing, if the gateway is ready. `unlock` raises if the store's keys do not open."""
    found: list[Reason] = []
    for code, look in (("store", gateway.store.probe), ("store_locked", unlock)):
        try:
            look()
        except IntertieError as error:
            found.append(Reason(code, error.why))
    try:
        ends = dict(certificate_ends(gateway))
    except IntertieError as error:
        return [*found, Reason("keys", error.why)]
    found += [
        Reason("certificate", f"our {use} certificate ended {end.isoformat()}")
        for use, end in ends.items()
        if end <= now
    ]
    return found


def certificate_ends(gateway: Gateway) -> Iterator[tuple[str, datetime]]:
    """Our certificates in use, `tls` or the algorithm they sign with, and when each ends. Raises if the keys do not open."""
    keys = gateway.keys
    yield "tls", _end(read_chain(keys.tls.chain, "tls"))
    for alg, key in keys.signing.items():
        yield alg, _end(key.chain)


def _end(chain: Chain) -> datetime:
    """The chain counts until its first certificate ends."""
    return min(read_certificate(der).not_valid_after_utc for der in chain)
