import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.toml import SettingsError
from services.accounts.access_tokens import ALGORITHM, Bearer, KeyRing, read_key_ring
from tests.unit.accounts.office import BEGINNING_NS, ISSUER

NOW = BEGINNING_NS // 10**9
KEY = Ed25519PrivateKey.generate()
RING = KeyRing({"1": KEY}, issuer=ISSUER)
ADA = Bearer(person_id="a" * 32, sid="b" * 32)
CLAIMS = {
    "iss": ISSUER, "aud": "rialto", "sub": ADA.person_id, "sid": ADA.sid, "iat": NOW,
    "exp": NOW + 60,
}  # fmt: skip
HEADERS = {"kid": "1", "typ": "at+jwt"}


def signed(claims: dict[str, Any], headers: dict[str, Any], key: Any = KEY) -> str:
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers=headers)


def text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def with_hmac(secret: bytes) -> str:
    header = text(json.dumps({"alg": "HS256", **HEADERS}).encode())
    body = f"{header}.{text(json.dumps(CLAIMS).encode())}"
    return f"{body}.{text(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


def public(encoding: serialization.Encoding, form: serialization.PublicFormat) -> bytes:
    return KEY.public_key().public_bytes(encoding, form)


def test_a_token_of_ours_says_whom_it_speaks_for() -> None:
    token = RING.sign(ADA, now_ns=BEGINNING_NS, seconds=60)
    assert RING.bearer(token, now_ns=BEGINNING_NS) == ADA
    assert RING.bearer(signed(CLAIMS, HEADERS), now_ns=BEGINNING_NS) == ADA


def test_a_token_is_good_in_its_time_alone() -> None:
    token = RING.sign(ADA, now_ns=BEGINNING_NS, seconds=60)
    assert RING.bearer(token, now_ns=BEGINNING_NS + 60 * 10**9 - 1) == ADA
    assert RING.bearer(token, now_ns=BEGINNING_NS + 60 * 10**9) is None
    assert RING.bearer(token, now_ns=BEGINNING_NS - 1) is None


@pytest.mark.parametrize(
    "secret",
    [
        public(serialization.Encoding.Raw, serialization.PublicFormat.Raw),
        public(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        public(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        b"",
    ],
)
def test_a_public_key_is_no_shared_secret(secret: bytes) -> None:
    assert RING.bearer(with_hmac(secret), now_ns=BEGINNING_NS) is None


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS256", "ES256", ""])
def test_what_the_header_calls_the_algorithm_is_never_followed(algorithm: str) -> None:
    header = text(json.dumps({"alg": algorithm, **HEADERS}).encode())
    payload = text(json.dumps(CLAIMS).encode())
    genuine = signed(CLAIMS, HEADERS).rpartition(".")[2]
    for signature in ("", genuine):
        assert RING.bearer(f"{header}.{payload}.{signature}", now_ns=BEGINNING_NS) is None


@pytest.mark.parametrize(
    "more",
    [
        {"jku": "https://thief.example/keys"},
        {"x5u": "https://thief.example/key"},
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}},
        {"crit": ["b64"], "b64": True},
        {"kid": "2"},
        {"kid": "../1"},
        {"typ": "JWT"},
    ],
)
def test_a_header_that_brings_anything_else_is_refused(more: dict[str, Any]) -> None:
    assert RING.bearer(signed(CLAIMS, HEADERS | more), now_ns=BEGINNING_NS) is None


def test_anybody_elses_signature_is_refused() -> None:
    stranger = Ed25519PrivateKey.generate()
    assert RING.bearer(signed(CLAIMS, HEADERS, stranger), now_ns=BEGINNING_NS) is None


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_every_claim_is_needed(claim: str) -> None:
    fewer = {name: value for name, value in CLAIMS.items() if name != claim}
    assert RING.bearer(signed(fewer, HEADERS), now_ns=BEGINNING_NS) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "Somebody"}, {"aud": "other"}, {"exp": 1e30}, {"exp": "9999999999"},
        {"iat": True}, {"exp": NOW}, {"iat": NOW + 1}, {"iat": 0.5},
    ],
)  # fmt: skip
def test_a_wrong_claim_is_refused(wrong: dict[str, Any]) -> None:
    assert RING.bearer(signed(CLAIMS | wrong, HEADERS), now_ns=BEGINNING_NS) is None


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\u00e9", "x" * 3000, "e30.e30."])
def test_nonsense_is_refused(token: str) -> None:
    assert RING.bearer(token, now_ns=BEGINNING_NS) is None


def test_a_token_that_is_too_long_is_refused_though_it_is_signed() -> None:
    assert RING.bearer(signed(CLAIMS | {"x": "y" * 3000}, HEADERS), now_ns=BEGINNING_NS) is None


def test_keys_are_changed_without_signing_anybody_out_and_taken_out_at_once() -> None:
    other = Ed25519PrivateKey.generate()
    old = RING.sign(ADA, now_ns=BEGINNING_NS, seconds=60)
    both = KeyRing({"2": other, "1": KEY}, issuer=ISSUER)
    new = both.sign(ADA, now_ns=BEGINNING_NS, seconds=60)
    assert jwt.get_unverified_header(new)["kid"] == "2"
    assert both.bearer(old, now_ns=BEGINNING_NS) == both.bearer(new, now_ns=BEGINNING_NS) == ADA
    after = KeyRing({"2": other}, issuer=ISSUER)
    assert after.bearer(old, now_ns=BEGINNING_NS) is None
    assert after.bearer(new, now_ns=BEGINNING_NS) == ADA


def test_the_published_keys_check_our_tokens() -> None:
    (published,) = RING.published()
    token = RING.sign(ADA, now_ns=BEGINNING_NS, seconds=60)
    key = jwt.PyJWK(published).key
    options: Any = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="rialto", options=options)
    assert claims["sid"] == ADA.sid
    assert "d" not in published


def test_a_key_file_is_read_strictly() -> None:
    line = f"1 {bytes(32).hex()}"
    ring = read_key_ring(f"{line}\n2 {bytes(range(32)).hex()}\n", issuer=ISSUER, where="f")
    assert [key["kid"] for key in ring.published()] == ["1", "2"]
    for wrong in ("", "1", f"{line}\n{line}", f"1 {bytes(31).hex()}", f" {bytes(32).hex()}"):
        with pytest.raises(SettingsError, match=r"^f: "):
            read_key_ring(wrong, issuer=ISSUER, where="f")
