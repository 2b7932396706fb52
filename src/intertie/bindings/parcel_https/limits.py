"""Step 1 of the order of verification: size, rate and memory, before a byte is parsed.

Ticks are seconds of a monotonic clock: the rehearsal clock of the acts may stand still, traffic does not.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import msgspec

from intertie.gateway.configuration.quota import OwnQuota, Quota
from intertie.model.ids import PartyId

# Strangers (connections whose certificate names no partner) share one bucket, so that they cannot fill this table.
STRANGER = PartyId("")
# Addresses of which we know how often they came; beyond it all are forgotten, and begin with a full allowance.
ADDRESSES_MAX = 10_000


class _Outcomes(msgspec.Struct):
    outcomes: list[msgspec.Raw]


class _Jws(msgspec.Struct):
    payload: str


def count_outcomes(receipt: bytes) -> int:
    """How many messages a receipt of ours speaks of; 0 if it cannot be read."""
    try:
        payload = msgspec.json.decode(receipt, type=_Jws).payload
        raw = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return len(msgspec.json.decode(raw, type=_Outcomes).outcomes)
    except (msgspec.MsgspecError, ValueError):
        return 0


class Bucket:
    """A token bucket. May go into debt: what was taken beyond it is waited for by the next one."""

    def __init__(self, rate: float, burst: float, tick: float) -> None:
        self.rate = rate
        self.burst = burst
        self.level = burst
        self.tick = tick

    def wait(self, amount: float, tick: float) -> float:
        """Seconds until `amount` is there; 0.0 if it is there now. An amount over the burst asks for a full bucket."""
        self.level = min(self.burst, self.level + max(0.0, tick - self.tick) * self.rate)
        self.tick = tick
        return max(0.0, (min(amount, self.burst) - self.level) / self.rate)

    def take(self, amount: float) -> None:
        """Take it, into debt if need be."""
        self.level -= amount


class Addresses:
    """A bucket for each address that somebody comes from, so that none keeps a door busy. For one thread."""

    def __init__(self, per_minute: float, burst: float, ticks: Callable[[], float]) -> None:
        self._rate, self._burst, self._ticks = per_minute / 60, burst, ticks
        self._buckets: dict[str, Bucket] = {}

    def wait(self, address: str) -> float:
        """Seconds until one more of it is looked at; it is counted if that is now."""
        tick = self._ticks()
        bucket = self._buckets.get(address)
        if bucket is None:
            if len(self._buckets) >= ADDRESSES_MAX:
                self._buckets.clear()
            bucket = self._buckets[address] = Bucket(self._rate, self._burst, tick)
        wait = bucket.wait(1.0, tick)
        if not wait:
            bucket.take(1.0)
        return wait


class _Buckets(NamedTuple):
    """One partner's, and the quota that they were made for."""

    quota: Quota
    parcels: Bucket
    octets: Bucket
    messages: Bucket
    urgent: Bucket


class Quotas:
    """What each partner may still send."""

    def __init__(self, quota: Quota, own: Callable[[PartyId], OwnQuota] = lambda party: OwnQuota()) -> None:
        """`own` gives what a partner has of its own; a change is in force with its next parcel."""
        self._quota = quota
        self._own = own
        self._buckets: dict[PartyId, _Buckets] = {}
        self._under_way: Counter[PartyId] = Counter()

    def take_parcel(self, party: PartyId, tick: float) -> float:
        """Count one parcel; seconds to wait (then nothing was counted), or 0.0 to go on."""
        wait = self.wait(party, tick)
        if not wait:
            self._of(party, tick).parcels.take(1.0)
        return wait

    def wait(self, party: PartyId, tick: float) -> float:
        """Seconds until the next parcel would be counted."""
        its = self._of(party, tick)
        return max(its.parcels.wait(1.0, tick), its.octets.wait(1.0, tick), its.messages.wait(1.0, tick))

    def reserve(self, party: PartyId, tick: float, patience: float) -> tuple[bool, float]:
        """Whether one parcel may come, now or after so many seconds, which are no more than `patience`: then it is counted
        already, and the next one comes after it. If not, the seconds are those after which to ask again."""
        wait = self.wait(party, tick)
        if wait > patience:
            return False, wait
        self._of(party, tick).parcels.take(1.0)
        return True, wait

    def take_bytes(self, party: PartyId, count: int, tick: float) -> None:
        """Count bytes as they come; what goes beyond the burst delays the partner's next parcel."""
        octets = self._of(party, tick).octets
        octets.wait(0.0, tick)
        octets.take(count)

    def take_messages(self, party: PartyId, count: int, tick: float) -> None:
        """Count messages once they are known; what goes beyond the burst delays the partner's next parcel."""
        messages = self._of(party, tick).messages
        messages.wait(0.0, tick)
        messages.take(count)

    def believes(self, party: PartyId, tick: float) -> bool:
        """Whether a parcel that says it is urgent is taken at its word, and counted."""
        urgent = self._of(party, tick).urgent
        if urgent.wait(1.0, tick):
            return False
        urgent.take(1.0)
        return True

    def begin(self, party: PartyId, tick: float) -> bool:
        """One more parcel is being received; False, and nothing counted, if there are too many. `end` counts it out."""
        if self._under_way[party] >= self._of(party, tick).quota.parcels_in_flight:
            return False
        self._under_way[party] += 1
        return True

    def end(self, party: PartyId) -> None:
        """One parcel less is being received."""
        self._under_way[party] -= 1
        if not self._under_way[party]:
            del self._under_way[party]

    @property
    def under_way(self) -> int:
        """Parcels being received, over all partners."""
        return self._under_way.total()

    def _of(self, party: PartyId, tick: float) -> _Buckets:
        quota = self._own(party).over(self._quota)
        its = self._buckets.get(party)
        if its is None or its.quota != quota:
            its = self._buckets[party] = _Buckets(
                quota,
                Bucket(quota.parcels_per_second, quota.parcels_burst, tick),
                Bucket(quota.bytes_per_second, quota.bytes_burst, tick),
                Bucket(quota.messages_per_second, quota.messages_burst, tick),
                Bucket(quota.urgent_per_second, quota.urgent_burst, tick),
            )
        return its


class Held:
    """Bytes of bodies in memory, over all connections."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = Lock()
        self.count = 0

    def add(self, count: int) -> bool:
        """Count them in; False (and nothing counted) if that would be more than the limit."""
        with self._lock:
            if self.count + count > self._limit:
                return False
            self.count += count
            return True

    @property
    def load(self) -> float:
        """How full it is, from 0 to 1."""
        return self.count / self._limit

    def release(self, count: int) -> None:
        """Count them out."""
        with self._lock:
            self.count -= count
