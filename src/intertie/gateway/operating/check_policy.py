"""What falls short of the policy, now or soon: certificates, keys, partners, algorithms; each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple

from intertie.catalogue.admit import Catalogue
from intertie.catalogue.flow import Flow
from intertie.gateway.gateway import Gateway, Partner
from intertie.model.ids import PartyId
from intertie.model.party import Role
from intertie.seal.algorithm_table import algorithms, periods
from intertie.seal.certificate_facts import CertificateFacts, chain_of_pem, facts_of
from intertie.seal.keys import PrivateKeys, PublicKeys
from intertie.seal.policy import holds_until, requirement
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.profile import PROFILES, Profile
from intertie.seal.protect import profiles_of

_RENEW = "Have the authority issue a new one, and give partners the new descriptor."
_ASK = "Ask {party} for its present descriptor and add it: `intertie partner add`."


class Finding(NamedTuple):
    """One thing that falls short. `when`: "now", or "soon" with the `day` it will."""

    when: Literal["now", "soon"]
    kind: Literal["certificate", "key", "descriptor", "partner", "algorithm"]
    subject: str
    day: date | None
    why: str
    do: str


class KeyAge(NamedTuple):
    """A key of a type that algorithms.toml has a period for, and since when it is in use."""

    name: str
    kind: str
    since: datetime


class Dates(NamedTuple):
    """What the gateway's keys do not say themselves: until when descriptors are valid, ours (None: there is none) and
    each partner's; and the age of keys that have no certificate, of the store for example."""

    own: datetime | None
    partners: Mapping[PartyId, datetime]
    keys: Sequence[KeyAge] = ()


class _Horizon(NamedTuple):
    """Now, and how far ahead to look."""

    now: datetime
    within: timedelta

    def when(self, end: datetime) -> Literal["now", "soon"] | None:
        """Whether something that ends then has ended, ends soon, or neither."""
        if end <= self.now:
            return "now"
        return "soon" if end <= self.now + self.within else None


def check_policy(gateway: Gateway, dates: Dates, now: datetime, within: timedelta) -> list[Finding]:
    """Everything that falls short now or within a time, the worst first; empty if all is well.

    Raises Refused(CERTIFICATE_UNTRUSTED) if a certificate of ours cannot be read.
    """
    horizon, keys, settings = _Horizon(now, within), gateway.keys, gateway.policy
    found = [
        *_own(keys, dates, settings, horizon),
        *_roots(gateway, horizon),
        *(
            one
            for partner in gateway.partners.all()
            for one in _partner(gateway, partner, dates, keys, horizon)
        ),
        *_algorithms(gateway, horizon),
    ]
    return sorted(set(found), key=lambda one: (one.when, one.day or now.date(), one.kind, one.subject))


def flows_between(catalogue: Catalogue, ours: frozenset[Role], theirs: frozenset[Role]) -> list[Flow]:
    """The flows that two parties' roles can mean, either way."""
    return [
        flow
        for flow in catalogue.flows()
        if (flow.sender in ours and flow.recipient in theirs)
        or (flow.sender in theirs and flow.recipient in ours)
    ]


def _own(keys: PrivateKeys, dates: Dates, settings: PolicySettings, horizon: _Horizon) -> Iterator[Finding]:
    tls = chain_of_pem(keys.tls.chain)
    signing = [(f"our {alg}", key.chain, "signature") for alg, key in keys.signing.items()]
    # A key to open with has no date of its own: it counts as old as the oldest key that was made beside it.
    oldest = min(facts_of(key.chain[0]).start for key in keys.signing.values())
    ages = [KeyAge(f"our {key.suite.split('/')[0]}", "sealing", oldest) for key in keys.opening.values()]
    for name, chain, kind in [*signing, ("our TLS", tls, "tls")]:
        facts = [facts_of(der) for der in chain]
        ages.append(KeyAge(name, kind, facts[0].start))
        yield from _certificates(name, facts, settings, horizon, _RENEW)
    for age in [*ages, *dates.keys]:
        yield from _key_age(age, settings, horizon)
    if dates.own is not None:
        yield from _ending("descriptor", "our descriptor", dates.own, "ends", _RENEW, horizon)


def _key_age(age: KeyAge, settings: PolicySettings, horizon: _Horizon) -> Iterator[Finding]:
    days = settings.key_days.of(age.kind)
    why = f"in use since {age.since.date()}, {days} days at most ({periods()[age.kind].source}), so until"
    end = age.since + timedelta(days=days)
    yield from _ending("key", f"{age.name} key", end, why, "Make a new key, and give it out.", horizon)


def _certificates(
    name: str, facts: Sequence[CertificateFacts], settings: PolicySettings, horizon: _Horizon, do: str
) -> Iterator[Finding]:
    for place, one in enumerate(facts):
        what = f"{name} certificate" if place == 0 else f"{name} chain: {one.subject}"
        yield from _ending("certificate", what, one.end, "is valid until", do, horizon)
        if one.algorithm not in algorithms():
            why = f"its key is {one.algorithm}, which nothing here says is acceptable"
            yield Finding("now", "algorithm", what, None, why, do)
            continue
        last = settings.last_day(algorithms()[one.algorithm])
        if last is not None:
            end = datetime.combine(last, time.max, horizon.now.tzinfo)
            yield from _ending("algorithm", what, end, f"its key is {one.algorithm}, until", do, horizon)


def _ending(
    kind: Literal["certificate", "key", "descriptor", "algorithm"],
    subject: str,
    end: datetime,
    why: str,
    do: str,
    horizon: _Horizon,
) -> Iterator[Finding]:
    when = horizon.when(end)
    if when is not None:
        yield Finding(when, kind, subject, end.date(), f"{why} {end.date()}", do)


def _roots(gateway: Gateway, horizon: _Horizon) -> Iterator[Finding]:
    for der in chain_of_pem(gateway.trust.pem()):
        facts = facts_of(der)
        do = "Get the authority's next root and put it beside this one in trust/ before that day."
        yield from _certificates(f"trusted root {facts.subject}:", [facts], gateway.policy, horizon, do)


def _partner(
    gateway: Gateway, partner: Partner, dates: Dates, keys: PrivateKeys, horizon: _Horizon
) -> Iterator[Finding]:
    if partner.suspended:  # nothing goes either way, so nothing falls short
        return
    do = _ASK.format(party=partner.party)
    if partner.party in dates.partners:
        end = dates.partners[partner.party]
        yield from _ending("descriptor", f"{partner.party}'s descriptor", end, "ends", do, horizon)
    for alg, chains in partner.keys.signing.items():
        for chain in chains[:1]:  # the newest: the others are on their way out
            facts = [facts_of(der) for der in chain]
            yield from _certificates(f"{partner.party}'s {alg}", facts, gateway.policy, horizon, do)
    yield from _lacking(gateway, partner, keys, horizon)


def _lacking(gateway: Gateway, partner: Partner, keys: PrivateKeys, horizon: _Horizon) -> Iterator[Finding]:
    """Flows between us that one side has no keys for, by the day from which it matters."""
    able = profiles_of(keys, partner.keys)
    most = max((profile.rank for profile in able), default=0)
    flows = flows_between(gateway.catalogue, gateway.party.roles, partner.roles)
    later = (horizon.now + horizon.within).date()
    for profile in PROFILES.values():
        if profile.rank <= most:
            continue
        now_short = _needing(flows, profile, horizon.now.date(), gateway.policy)
        short = now_short or _needing(flows, profile, later, gateway.policy)
        if not short:
            continue
        whose = _who_lacks(profile, keys, partner.keys)
        why = (
            f"{len(short)} flows between us need {profile.name} ({_some(short)}), "
            f"and {whose} has no keys for it: these messages are refused"
        )
        do = f"{whose} has to make keys for {profile.name} and give out its new descriptor."
        yield Finding("now" if now_short else "soon", "partner", partner.party, None, why, do)


def _needing(flows: Sequence[Flow], profile: Profile, day: date, settings: PolicySettings) -> list[Flow]:
    return [flow for flow in flows if requirement(flow, day, settings).profile is profile]


def _who_lacks(profile: Profile, ours: PrivateKeys, theirs: PublicKeys) -> str:
    lacking = [
        party
        for party, keys in ((ours.party, ours.public()), (theirs.party, theirs))
        if not keys.can_do(profile)
    ]
    return " and ".join(lacking)


def _some(flows: Sequence[Flow]) -> str:
    documents = sorted({f"{flow.interface}/{flow.document}" for flow in flows})
    more = f" and {len(documents) - 3} more" if len(documents) > 3 else ""
    return ", ".join(documents[:3]) + more


def _algorithms(gateway: Gateway, horizon: _Horizon) -> Iterator[Finding]:
    """Profiles that flows with our partners need and that do not hold as long as those flows ask."""
    flows = {
        flow
        for partner in gateway.partners.all()
        if not partner.suspended
        for flow in flows_between(gateway.catalogue, gateway.party.roles, partner.roles)
    }
    for day, when in ((horizon.now.date(), "now"), ((horizon.now + horizon.within).date(), "soon")):
        for profile in PROFILES.values():
            end = holds_until(profile, gateway.policy)
            needing = _needing(sorted(flows, key=lambda flow: flow.key), profile, day, gateway.policy)
            short = [f for f in needing if end and requirement(f, day, gateway.policy).protect_until > end]
            if short and end:
                why = f"it holds until {end}, and {len(short)} flows ask for longer ({_some(short)}); nothing is stronger"
                do = "Renew evidence under stronger algorithms before that day, or correct [policy] in intertie.toml."
                yield Finding("now" if when == "now" else "soon", "algorithm", profile.name, end, why, do)
