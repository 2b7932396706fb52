"""The JWS framing: held to jwcrypto in both directions, and strict where jwcrypto is not."""

from __future__ import annotations

import json

import pytest
from jwcrypto import jwk, jws
from seal_world import World

from intertie.model.errors import Code, Refused
from intertie.seal.algorithms import SIGNATURE_ALGORITHMS
from intertie.seal.certificates import public_key_of, thumbprint
from intertie.seal.encoding import from_base64url, to_base64url, write_canonical
from intertie.seal.jws import read_jws, sign_json, verify_json, verify_jws
from intertie.seal.profile import PROFILES

TYP = "intertie-test+jws"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def wide_key(world: World, alg: str) -> jwk.JWK:
    """The public key of the aggregator, as jwcrypto holds it."""
    public = public_key_of(world.agg.signing[alg].chain[0])
    if alg.startswith("ML"):
        return jwk.JWK(kty="AKP", alg=alg, pub=to_base64url(public.public_bytes_raw()))  # type: ignore[attr-defined]
    key = jwk.JWK()
    key.import_from_pyca(public)
    return key


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_jwcrypto_verifies_what_we_sign(world: World, profile: object) -> None:
    algorithms = profile.signatures  # type: ignore[attr-defined]
    raw = sign_json(b'{"a":1}', TYP, [world.agg.signing[alg] for alg in algorithms])
    for alg in algorithms:
        if alg not in jws.default_allowed_algs and not alg.startswith("ML-DSA"):
            continue
        token = jws.JWS()
        token.allowed_algs = list(algorithms)
        token.deserialize(raw.decode())
        token.verify(wide_key(world, alg))
        assert token.payload == b'{"a":1}'


@pytest.mark.parametrize("alg", ["ML-DSA-65", "ML-DSA-87", "ES256", "ES384"])
def test_we_verify_what_jwcrypto_signs(world: World, alg: str) -> None:
    signer = world.agg.signing[alg]
    if alg.startswith("ML-DSA"):
        seed = signer.key.private_bytes_raw()  # type: ignore[union-attr]
        public = signer.key.public_key().public_bytes_raw()  # type: ignore[union-attr]
        key = jwk.JWK(kty="AKP", alg=alg, priv=to_base64url(seed), pub=to_base64url(public))
    else:
        key = jwk.JWK()
        key.import_from_pyca(signer.key)
    token = jws.JWS(b'{"a":1}')
    token.allowed_algs = [alg]
    protected = {"alg": alg, "typ": TYP, "x5t#S256": to_base64url(thumbprint(signer.chain[0]))}
    token.add_signature(key, alg, protected=json.dumps(protected, separators=(",", ":"), sort_keys=True))
    flat = json.loads(token.serialize())
    line = {"protected": flat["protected"], "signature": lower_s(alg, flat["signature"])}
    raw = write_canonical({"payload": flat["payload"], "signatures": [line]})
    read = read_jws(raw, TYP, limit=100_000)
    assert read.payload == b'{"a":1}'
    if alg == "ES256":
        chains = {alg: (signer.chain,)}
        signed = verify_jws(read, chains=chains, party=world.agg.party, trust=world.trust, now=world.now)
        assert signed.profile.name == "classical"


def lower_s(alg: str, signature: str) -> str:
    """What a signer that uses a general library has to do."""
    if alg != "ES256":
        return signature
    raw = from_base64url(signature)
    s = int.from_bytes(raw[32:], "big")
    return to_base64url(raw[:32] + min(s, P256_ORDER - s).to_bytes(32, "big"))


def check(world: World, raw: bytes, **more: object) -> None:
    arguments = {
        "chains": world.agg.public().signing,
        "party": world.agg.party,
        "trust": world.trust,
        "now": world.now,
        "limit": 100_000,
    } | more
    verify_json(raw, TYP, **arguments)  # type: ignore[arg-type]


def hybrid(world: World) -> bytes:
    return sign_json(b'{"a":1}', TYP, [world.agg.signing[alg] for alg in ("ML-DSA-65", "ES256")])


def test_signers_may_come_in_any_order(world: World) -> None:
    check(world, hybrid(world))
    assert read_jws(hybrid(world), TYP, limit=100_000).algorithms == ("ES256", "ML-DSA-65")


def test_no_byte_is_free(world: World) -> None:
    raw = sign_json(b'{"a":1}', TYP, [world.agg.signing["ES256"]])
    check(world, raw)
    for at in range(len(raw)):
        for bit in (1, 32):  # 32 changes the case of a letter
            changed = raw[:at] + bytes([raw[at] ^ bit]) + raw[at + 1 :]
            with pytest.raises(Refused):
                check(world, changed)


def test_the_signed_profile_is_exactly_the_one_asked_for(world: World) -> None:
    raw = hybrid(world)
    check(world, raw, profile=PROFILES["hybrid"])
    for name, code in (("classical", Code.SIGNATURE_INVALID), ("hybrid-high", Code.SIGNATURE_MISSING)):
        with pytest.raises(Refused) as refused:
            check(world, raw, profile=PROFILES[name])
        assert refused.value.code is code
        assert refused.value.partner == world.agg.party


def test_all_signatures_must_verify_not_some(world: World) -> None:
    general = json.loads(hybrid(world))
    for number in (0, 1):
        value = from_base64url(general["signatures"][number]["signature"])
        broken = json.loads(json.dumps(general))
        broken["signatures"][number]["signature"] = to_base64url(value[:-1] + bytes([value[-1] ^ 1]))
        with pytest.raises(Refused) as refused:
            check(world, write_canonical(broken))
        assert refused.value.code is Code.SIGNATURE_INVALID


def test_a_signature_by_another_party_is_named_as_such(world: World) -> None:
    raw = sign_json(b"{}", TYP, [world.util.signing["ES256"]])
    with pytest.raises(Refused) as refused:
        check(world, raw)
    assert refused.value.code is Code.UNKNOWN_CERTIFICATE


def test_a_type_is_not_another(world: World) -> None:
    raw = sign_json(b"{}", "intertie-other+jws", [world.agg.signing["ES256"]])
    with pytest.raises(Refused, match="its typ is not intertie-test"):
        check(world, raw)


def test_too_long(world: World) -> None:
    with pytest.raises(Refused, match="larger than 10 bytes"):
        check(world, hybrid(world), limit=10)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b'{"payload":"","signatures":[]}', b"\xff", b"[" * 90_000]
)
def test_no_jws_at_all(world: World, raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        check(world, raw)
    assert refused.value.code is Code.BAD_MANIFEST


def test_every_algorithm_signs_and_reads(world: World) -> None:
    raw = sign_json(b"x", TYP, [world.agg.signing[alg] for alg in SIGNATURE_ALGORITHMS])
    assert read_jws(raw, TYP, limit=100_000).algorithms == tuple(sorted(SIGNATURE_ALGORITHMS))
    with pytest.raises(Refused) as refused:
        check(world, raw)  # all four make up no profile
    assert refused.value.code is Code.SIGNATURE_INVALID
