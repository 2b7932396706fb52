"""Signing by JOSE name: one form of each signature, and no key for another algorithm."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from intertie.model.errors import Code, Refused
from intertie.seal.algorithms import (
    SIGNATURE_ALGORITHMS,
    generate_signing_key,
    is_post_quantum,
    private_key_fits,
    public_key_fits,
    sign,
    verify,
)

KEYS = {alg: generate_signing_key(alg) for alg in SIGNATURE_ALGORITHMS}
SIZES = {"ES256": 64, "ES384": 96, "ML-DSA-65": 3309, "ML-DSA-87": 4627}
ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": int("F" * 48 + "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16),
}


@pytest.mark.parametrize("alg", SIGNATURE_ALGORITHMS)
def test_sign_and_verify(alg: str) -> None:
    key = KEYS[alg]
    signature = sign(alg, key, b"data")
    assert len(signature) == SIZES[alg]
    assert verify(alg, key.public_key(), signature, b"data")
    assert not verify(alg, key.public_key(), signature, b"Data")
    assert not verify(alg, generate_signing_key(alg).public_key(), signature, b"data")
    assert not verify(alg, key.public_key(), signature[:-1], b"data")
    assert not verify(alg, key.public_key(), signature + b"\0", b"data")
    assert not verify(alg, key.public_key(), b"", b"data")


@pytest.mark.parametrize("alg", SIGNATURE_ALGORITHMS)
@pytest.mark.parametrize("other", SIGNATURE_ALGORITHMS)
def test_a_key_is_for_one_algorithm(alg: str, other: str) -> None:
    assert private_key_fits(alg, KEYS[other]) == (alg == other)
    assert public_key_fits(alg, KEYS[other].public_key()) == (alg == other)
    if alg != other:
        with pytest.raises(Refused) as refused:
            sign(alg, KEYS[other], b"data")
        assert refused.value.code is Code.SIGNATURE_INVALID
        assert not verify(alg, KEYS[other].public_key(), sign(other, KEYS[other], b"data"), b"data")


@pytest.mark.parametrize("alg", ["ES256", "ES384"])
def test_only_the_lower_s_is_written_and_taken(alg: str) -> None:
    size, order = SIZES[alg] // 2, ORDERS[alg]
    for n in range(20):
        signature = sign(alg, KEYS[alg], b"%d" % n)
        s = int.from_bytes(signature[size:], "big")
        assert s <= order // 2
        twin = signature[:size] + (order - s).to_bytes(size, "big")
        assert not verify(alg, KEYS[alg].public_key(), twin, b"%d" % n)


@pytest.mark.parametrize("alg", ["ES256", "ES384"])
@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (-1, 1), (0, 0)])
def test_ecdsa_out_of_range(alg: str, r: int, s: int) -> None:
    size = SIZES[alg] // 2
    signature = (r % ORDERS[alg] if r >= 0 else ORDERS[alg]).to_bytes(size, "big") + s.to_bytes(size, "big")
    assert not verify(alg, KEYS[alg].public_key(), signature, b"data")


@pytest.mark.parametrize("alg", ["none", "HS256", "RS256", "EdDSA", "ML-DSA-44", "es256", ""])
def test_unknown_algorithms_are_refused(alg: str) -> None:
    with pytest.raises(Refused, match="no key for algorithm"):
        generate_signing_key(alg)
    assert not verify(alg, KEYS["ES256"].public_key(), b"x" * 64, b"data")
    assert not verify(alg, ed25519.Ed25519PrivateKey.generate().public_key(), b"x" * 64, b"data")


def test_families() -> None:
    assert [is_post_quantum(key.public_key()) for key in KEYS.values()] == [False, False, True, True]
