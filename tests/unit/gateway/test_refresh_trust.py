"""Fetching lists and answers: what is asked of whom, what is taken, and what a failure leaves as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from intertie.catalogue.load import load_catalogue
from intertie.gateway.configuration.settings import Revocation
from intertie.gateway.gateway import Agreement, FixedKeys, Gateway, Limits, Partner
from intertie.gateway.partners.refresh_trust import Fetched, known_chains, refresh_trust, wait_seconds
from intertie.model.errors import PartnerError, Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.model.party import Party, Role
from intertie.seal.ca_register import Register
from intertie.seal.ca_responder import answer_request, new_lists
from intertie.seal.certificates import Chain, check_chain, read_certificate
from intertie.seal.issuing import Publishing
from intertie.seal.keys import PrivateKeys, SigningKey, generate_keys
from intertie.seal.revocation import TrustRules, read_list
from intertie.seal.status_sources import AnswerSource, ListSource, sources
from intertie.seal.trial_ca import TrialCa
from intertie.stores.memory import MemoryStore
from intertie.stores.trust_files import TrustFiles

NOW = datetime.now(UTC).replace(microsecond=0)
# Answers are stamped by the clock of this machine: a whole run of the tests must be over by then, and an answer still hold.
LATER = NOW + timedelta(minutes=50)
DAY = timedelta(days=1)
UTILITY, AGGREGATOR = PartyId("utility.example"), PartyId("aggregator.example")
CA = TrialCa.create("Trial", NOW - 30 * DAY, NOW + 900 * DAY)
PLACES = {
    "ec": Publishing("http://ca.example/ec.crl", "http://ca.example/"),
    "mldsa": Publishing("http://ca.example/mldsa.crl", ""),
}
UTILITY_KEYS = generate_keys(UTILITY, frozenset({Role.DISTRIBUTION_UTILITY}), CA, NOW)


def published(key: SigningKey) -> Chain:
    """The key's certificate again, by an authority below the root, with addresses in it."""
    family = "ec" if key.alg.startswith("ES") else "mldsa"
    return CA.issue(
        AGGREGATOR,
        key.key.public_key(),
        "signing",
        NOW - DAY,
        NOW + 300 * DAY,
        publishing=PLACES[family],  # type: ignore[arg-type]
    )


def aggregator_keys() -> PrivateKeys:
    keys = generate_keys(AGGREGATOR, frozenset({Role.DER_AGGREGATOR}), CA, NOW, profiles=("hybrid",))
    return replace(
        keys, signing={alg: replace(key, chain=published(key)) for alg, key in keys.signing.items()}
    )


KEYS = aggregator_keys()
CHAINS = {alg: key.chain for alg, key in KEYS.signing.items()}


class Book:
    def __init__(self, *partners: Partner) -> None:
        self.partners = {partner.party: partner for partner in partners}

    def find(self, party: PartyId) -> Partner | None:
        return self.partners.get(party)

    def all(self) -> list[Partner]:
        return list(self.partners.values())


class Ticks:
    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Authority:
    """A fetcher straight into the trial authority; `spoil` changes what it says."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.register = Register(folder)
        self.register.record([chain[0] for chain in CHAINS.values()], NOW)
        self.asked: list[str] = []
        self.spoil: Callable[[bytes], bytes] = bytes
        self.down = False

    async def get(self, url: str, limit: int) -> bytes:
        self._note(url)
        family = url.rsplit("/", 1)[1].removesuffix(".crl")
        return self.spoil(read_list(new_lists(CA, self.register, LATER)[family]).der)

    async def ask(self, url: str, request: bytes, limit: int) -> bytes:
        self._note(url)
        return self.spoil(answer_request(CA, self.register, request, NOW))

    def _note(self, url: str) -> None:
        if self.down:
            raise PartnerError(f"no answer from {url}")
        self.asked.append(url)


class World:
    def __init__(self, base: Path) -> None:
        self.folder = base / "trust"
        self.folder.mkdir()
        (self.folder / "root.pem").write_bytes(CA.roots_pem())
        self.authority = Authority(base / "ca")
        self.settings = Revocation()
        self.trust = TrustFiles(self.folder, Ticks())
        partner = Partner(
            party=AGGREGATOR,
            name="A",
            roles=KEYS.roles,
            keys=KEYS.public(),
            url="https://a",
            agreements=(Agreement(id="B-1", start=NOW),),
            suspended=False,
        )
        self.gateway = Gateway(
            party=Party(id=UTILITY, name="U", roles=UTILITY_KEYS.roles),
            ring=FixedKeys(UTILITY_KEYS),
            trust_book=self.trust,
            partners=Book(partner),
            catalogue=load_catalogue(),
            store=MemoryStore(),
            limits=Limits(),
        )

    def refresh(self, at: datetime = LATER) -> list[Fetched]:
        return asyncio.run(refresh_trust(self.gateway, self.authority, self.trust, self.settings, at))

    def revoke(self, alg: str, reason: str = "key_compromise") -> None:
        self.authority.register.revoke(read_certificate(CHAINS[alg][0]).serial_number, reason, LATER)

    def verdict(self, alg: str, at: datetime = LATER) -> str:
        try:
            check_chain(CHAINS[alg], self.trust.present(), AGGREGATOR, at)
        except Refused as refused:
            return refused.code.value
        return "ok"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_every_address_is_asked_once_and_what_it_says_counts(world: World) -> None:
    lines = world.refresh()
    assert sorted(world.authority.asked) == sorted(
        ["http://ca.example/ec.crl", "http://ca.example/mldsa.crl", "http://ca.example/"]
    )
    assert {line.why for line in lines} == {""}
    assert {line.kind for line in lines} == {"list", "answer"}
    assert len(world.trust.present().lists) == 2
    assert len(world.trust.present().answers) == 1
    world.revoke("ES256")
    assert world.verdict("ES256") == "ok"
    world.refresh()
    assert world.verdict("ES256") == "certificate_revoked"
    assert world.verdict("ES256", NOW - timedelta(hours=1)) == "ok"
    assert world.verdict("ML-DSA-65") == "ok"


def test_what_was_fetched_is_there_for_the_next_process(world: World) -> None:
    world.revoke("ML-DSA-65")
    world.refresh()
    again = TrustFiles(world.folder, Ticks()).present()
    assert (len(again.lists), len(again.answers)) == (2, 1)
    with pytest.raises(Refused, match="certificate_revoked"):
        check_chain(CHAINS["ML-DSA-65"], again, AGGREGATOR, LATER)


def test_settings_without_ocsp_ask_no_responder(world: World) -> None:
    world.settings = Revocation(ocsp=False)
    assert {line.kind for line in world.refresh()} == {"list"}


def test_an_authority_that_is_down_changes_nothing(world: World) -> None:
    world.refresh()
    before = world.trust.present()
    world.authority.down = True
    assert all("no answer" in line.why for line in world.refresh())
    assert world.trust.present() is before
    assert world.verdict("ES256", LATER + 6 * DAY) == "ok"
    assert world.verdict("ES256", LATER + 8 * DAY) == "revocation_unknown"


@pytest.mark.parametrize("spoil", [lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b[:-1], lambda b: b""])
def test_what_is_not_signed_as_it_should_is_not_taken(world: World, spoil: Callable[[bytes], bytes]) -> None:
    world.authority.spoil = spoil
    lines = world.refresh()
    assert len(lines) == 3
    assert all(line.why for line in lines)
    assert not world.trust.present().lists
    assert list(world.folder.iterdir()) == [world.folder / "root.pem"]


def test_an_older_list_does_not_take_a_newer_ones_place(world: World) -> None:
    old = read_list(new_lists(CA, world.authority.register, NOW)["ec"]).der
    world.revoke("ES256", "superseded")
    world.refresh()
    world.authority.spoil = lambda data: old if data[:1] == old[:1] and len(data) > 1 else data
    why = {line.url: line.why for line in world.refresh()}
    assert "older than the one that is here" in why["http://ca.example/ec.crl"]
    assert world.verdict("ES256") == "certificate_revoked"


def test_a_list_that_leaves_out_what_has_ended_keeps_the_older_one(world: World) -> None:
    world.revoke("ES256", "superseded")
    world.refresh()
    empty = CA.lists({}, 99, LATER + timedelta(minutes=1), LATER + 7 * DAY)
    world.trust.keep_list("http://ca.example/ec.crl", read_list(empty["ec"]), None)
    assert len(world.trust.present().lists) == 3
    assert world.verdict("ES256") == "certificate_revoked"
    later = CA.lists({}, 100, LATER + timedelta(minutes=2), LATER + 7 * DAY)
    world.trust.keep_list("http://ca.example/ec.crl", read_list(later["ec"]), None)
    assert len(world.trust.present().lists) == 3


def test_a_responder_that_does_not_know_is_no_answer(world: World) -> None:
    (world.folder.parent / "ca" / "index.jsonl").unlink()
    why = [line.why for line in world.refresh() if line.kind == "answer"]
    assert len(why) == 1
    assert "does not know" in why[0]
    assert not world.trust.present().answers


def test_an_older_answer_does_not_take_a_newer_ones_place(world: World) -> None:
    certificate, issuer = read_certificate(CHAINS["ES256"][0]), CA.classical.certificate
    source = AnswerSource("http://ca.example/", certificate, issuer)
    asked = source.ask("sha256")
    newer = answer_request(CA, world.authority.register, asked.request, NOW)
    older = answer_request(CA, world.authority.register, asked.request, NOW - timedelta(minutes=5))
    trust = world.trust.present().with_answers(newer)
    assert source.take(newer, asked, trust, LATER).state == "good"
    with pytest.raises(SettingsError, match="older"):
        source.take(older, asked, trust, LATER)
    with pytest.raises(SettingsError, match="another nonce"):
        source.take(newer, source.ask("sha1"), trust, LATER)


def test_a_list_from_the_settings_has_to_be_a_roots(world: World) -> None:
    world.settings = Revocation(crls=("http://elsewhere.example/ec.crl",), ocsp=False)
    urls = {line.url: line.why for line in world.refresh()}
    assert urls["http://elsewhere.example/ec.crl"] == ""
    stranger = TrialCa.create("Stranger", NOW - DAY, NOW + DAY).lists({}, 1, NOW, NOW + DAY)["ec"]
    with pytest.raises(SettingsError, match="not signed by"):
        ListSource("http://elsewhere.example/", None, None).take(stranger, world.trust.present())


def test_a_partners_own_authority_is_kept_for_that_partner(world: World) -> None:
    (world.folder / AGGREGATOR).mkdir()
    (world.folder / "root.pem").rename(world.folder / AGGREGATOR / "root.pem")
    other = TrialCa.create("Other", NOW - DAY, NOW + DAY)
    (world.folder / "other.pem").write_bytes(other.roots_pem())
    world.trust = TrustFiles(world.folder, Ticks())
    world.revoke("ES256")
    assert {line.why for line in world.refresh()} == {""}
    assert len(list((world.folder / AGGREGATOR).glob("fetched-*.crl.pem"))) == 2
    assert {one.only for one in world.trust.present().lists} == {frozenset({AGGREGATOR})}
    assert world.verdict("ES256") == "certificate_revoked"


def test_nobody_is_asked_about_a_strangers_certificates(world: World) -> None:
    other = TrialCa.create("Other", NOW - DAY, NOW + DAY).trust()
    assert sources(known_chains(world.gateway), other, NOW) == []


def test_only_http_addresses_are_asked() -> None:
    place = Publishing("ldap://ca.example/cn=list", "file:///etc/passwd")
    key = KEYS.signing["ES256"].key.public_key()
    chain = CA.issue(AGGREGATOR, key, "signing", NOW - DAY, NOW + DAY, publishing=place)  # type: ignore[arg-type]
    assert sources([(AGGREGATOR, chain)], CA.trust(), NOW) == []


def test_with_always_a_partner_is_taken_once_its_lists_are_here(world: World) -> None:
    world.trust = TrustFiles(world.folder, Ticks(), TrustRules(require="always"))
    assert world.verdict("ML-DSA-65") == "revocation_unknown"
    world.refresh()
    assert world.verdict("ML-DSA-65") == "ok"


def test_when_to_fetch_again() -> None:
    settings = Revocation(refresh_seconds=3600.0)
    hour = Fetched("u", "answer", "", NOW + timedelta(hours=1))
    assert wait_seconds([], settings, NOW) == 3600.0
    assert wait_seconds([hour], settings, NOW) == 1800.0
    assert wait_seconds([hour._replace(until=NOW + 7 * DAY)], settings, NOW) == 3600.0
    assert wait_seconds([hour._replace(until=NOW)], settings, NOW) == 10.0


def test_the_test_world_is_what_it_says() -> None:
    leaf = x509.load_der_x509_certificate(CHAINS["ES256"][0])
    assert leaf.public_bytes(Encoding.DER) == CHAINS["ES256"][0]
    assert leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
