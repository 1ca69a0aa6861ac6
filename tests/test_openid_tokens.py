"""ID tokens and logout tokens, good and forged, with real keys."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from openid_forger import LOGOUT_EVENT, by_secret, part, unsigned

from nixos_workspaces.auth.openid.mapping import person_of, rules_of
from nixos_workspaces.auth.openid.pending import LIFETIME_SECONDS, START, PendingSignIns, local_page
from nixos_workspaces.auth.openid.tokens import (
    ALGORITHMS,
    Expected,
    TokenRefused,
    UnknownKey,
    check_id_token,
    check_logout_token,
    keys_of,
    verified,
)
from nixos_workspaces.auth.policy import Role
from nixos_workspaces.errors import InvalidInput, Unauthenticated
from nixos_workspaces.model.access.people import handle_from, is_handle

NOW = 1_900_000_000
EXPECTED = Expected("https://id.example", "workspaces", NOW, 60)
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
OTHER = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
KEYS = keys_of({"keys": [RSA.as_dict(private=False)]})
ID_CLAIMS: dict[str, Any] = {
    "iss": "https://id.example",
    "aud": "workspaces",
    "sub": "alice",
    "nonce": "n" * 43,
    "iat": NOW - 5,
    "exp": NOW + 300,
}
LOGOUT_CLAIMS: dict[str, Any] = {
    "iss": "https://id.example",
    "aud": "workspaces",
    "sub": "alice",
    "sid": "s",
    "jti": "j",
    "iat": NOW - 5,
    "exp": NOW + 300,
    "events": LOGOUT_EVENT,
}


def signed(claims: dict[str, Any], key: Any = RSA, alg: str = "RS256", **header: Any) -> str:
    return jwt.encode({"alg": alg, "kid": "rsa", **header}, claims, key, [alg])


def check_id(claims: dict[str, Any], expected: Expected = EXPECTED, **header: Any) -> None:
    check_id_token(header, claims, expected, nonce="n" * 43, access_token="at")


def check_logout(claims: dict[str, Any]) -> None:
    check_logout_token({}, claims, EXPECTED)


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        *((RSA, one) for one in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (ECKey.generate_key("P-256"), "ES256"),
        (ECKey.generate_key("P-384"), "ES384"),
        (ECKey.generate_key("P-521"), "ES512"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_every_asymmetric_algorithm_is_taken_with_a_key_of_its_kind(key: Any, alg: str) -> None:
    keys = keys_of({"keys": [key.as_dict(private=False, kid="rsa")]})
    assert verified(signed(ID_CLAIMS, key, alg), keys)[1] == ID_CLAIMS
    for other in set(ALGORITHMS) - {alg}:
        head = part({"alg": other, "kid": "rsa"})
        with pytest.raises(TokenRefused):
            verified(f"{head}.{signed(ID_CLAIMS, key, alg).split('.', 1)[1]}", keys)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
def test_a_public_key_is_no_shared_secret(alg: str, form: str) -> None:
    """By its text in each form, whose bytes everybody knows."""
    texts = {
        "pem": RSA.as_pem(private=False),
        "der": RSA.as_der(private=False),
        "jwk": json.dumps(RSA.as_dict(private=False)).encode(),
    }
    with pytest.raises(TokenRefused, match="algorithm"):
        verified(by_secret({"alg": alg, "kid": "rsa"}, ID_CLAIMS, texts[form]), KEYS)


def test_an_unsigned_token_is_refused() -> None:
    for alg in ("none", "None", "NONE", "nOnE", "", None, 0):
        head = part({"alg": alg, "kid": "rsa"})
        body = signed(ID_CLAIMS).split(".")[1]
        for signature in ("", "AAAA"):
            with pytest.raises(TokenRefused):
                verified(f"{head}.{body}.{signature}", KEYS)
    with pytest.raises(TokenRefused, match="algorithm"):
        verified(unsigned(ID_CLAIMS), KEYS)


def test_another_key_of_that_name_does_not_do() -> None:
    with pytest.raises(TokenRefused, match="signature"):
        verified(signed(ID_CLAIMS, OTHER), KEYS)


@pytest.mark.parametrize("kid", ["another", "", "../rsa", 7, ["rsa"], {"rsa": 1}])
def test_a_key_that_is_not_known_is_said_to_be_so(kid: object) -> None:
    head = part({"alg": "RS256", "kid": kid})
    with pytest.raises(UnknownKey):
        verified(f"{head}.{signed(ID_CLAIMS).split('.', 1)[1]}", KEYS)


def test_a_token_without_a_kid_is_taken_where_there_is_one_key_only() -> None:
    plain = jwt.encode({"alg": "RS256"}, ID_CLAIMS, RSA, ["RS256"])
    assert verified(plain, KEYS)[1] == ID_CLAIMS
    two = keys_of({"keys": [RSA.as_dict(private=False), OTHER.as_dict(private=False, kid="two")]})
    with pytest.raises(UnknownKey):
        verified(plain, two)


def test_a_key_that_comes_with_the_token_counts_for_nothing() -> None:
    """``jwk`` and ``jku`` in the header: whoever forges a token would bring the key along."""
    for header in ({"jwk": OTHER.as_dict(private=False)}, {"jku": "https://evil.example/jwks"}):
        with pytest.raises(TokenRefused):
            verified(signed(ID_CLAIMS, OTHER, **header), KEYS)


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_a_token_with_one_changed_letter_is_refused_or_the_same(data: st.DataObject) -> None:
    token = signed(ID_CLAIMS)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ "))
    changed = token[:place] + letter + token[place + 1 :]
    try:
        _, claims = verified(changed, KEYS)
    except TokenRefused:
        return
    assert claims == ID_CLAIMS  # the last letter of a part has bits that stand for nothing


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1")))
def test_what_is_no_token_is_refused(text: str) -> None:
    for token in (text, f"{text}.{text}.{text}"):
        with pytest.raises(TokenRefused):
            verified(token, KEYS)


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"keys": None}, {"keys": {}}],
)
def test_what_is_no_jwks_is_refused(document: object) -> None:
    with pytest.raises(TokenRefused):
        keys_of(document)


def test_secrets_weak_keys_and_keys_for_encryption_are_left_out() -> None:
    number = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n
    modulus = base64.urlsafe_b64encode(number.to_bytes(128, "big")).rstrip(b"=").decode()
    weak = {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": modulus}
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"}
    encryption = {**RSA.as_dict(private=False), "kid": "enc", "use": "enc"}
    wrong = [{"kty": "RSA", "kid": "half"}, {"kty": "EC", "crv": "P-256", "x": "!", "y": "!", "kid": "bad"}, "text"]
    curve = {**ECKey.generate_key("secp256k1").as_dict(private=False), "kid": "k1"}
    assert set(keys_of({"keys": [weak, secret, encryption, *wrong, curve, RSA.as_dict(private=False)]})) == {"rsa"}


WRONG_COMMON: list[tuple[str, dict[str, Any]]] = [
    ("issuer", {"iss": "https://id.example/"}),
    ("issuer", {"iss": "https://evil.example"}),
    ("issuer", {"iss": ["https://id.example"]}),
    ("client", {"aud": "another"}),
    ("client", {"aud": ["workspaces", "another"]}),
    ("client", {"aud": []}),
    ("client", {"aud": "workspaces "}),
    ("expired", {"exp": NOW - 61}),
    ("expired", {"exp": NOW - 60}),
    ("future", {"iat": NOW + 61}),
    ("future", {"nbf": NOW + 61}),
    ("long ago", {"iat": NOW - 661}),
    ("times", {"exp": True}),
    ("times", {"exp": str(NOW + 300)}),
    ("times", {"exp": float("nan")}),
    ("times", {"exp": float("inf")}),
    ("times", {"iat": None}),
]


@pytest.mark.parametrize(("why", "changed"), WRONG_COMMON)
def test_tokens_of_others_and_of_other_times_are_refused(why: str, changed: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused, match=why):
        check_id({**ID_CLAIMS, **changed})
    with pytest.raises(TokenRefused, match=why):
        check_logout({**LOGOUT_CLAIMS, **changed})


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "nonce", "iat", "exp"])
def test_nothing_may_be_missing_in_an_id_token(name: str) -> None:
    with pytest.raises(TokenRefused):
        check_id({key: value for key, value in ID_CLAIMS.items() if key != name})


@pytest.mark.parametrize("name", ["iss", "aud", "iat", "exp", "jti", "events"])
def test_nothing_may_be_missing_in_a_logout_token(name: str) -> None:
    with pytest.raises(TokenRefused):
        check_logout({key: value for key, value in LOGOUT_CLAIMS.items() if key != name})


def test_good_ones_are_taken_within_the_skew_of_the_clocks() -> None:
    check_id(ID_CLAIMS)
    check_id(ID_CLAIMS | {"aud": ["workspaces"], "azp": "workspaces", "nbf": NOW + 60, "iat": NOW + 60})
    check_id(ID_CLAIMS | {"exp": NOW - 59})
    check_logout(LOGOUT_CLAIMS)
    for name in ("sub", "sid"):
        check_logout({key: value for key, value in LOGOUT_CLAIMS.items() if key != name})


@given(st.integers(0, 300), st.integers(-1000, 1000))
def test_the_skew_is_what_the_setting_says(skew: int, after: int) -> None:
    """``after`` the end of the token."""
    expected = Expected("https://id.example", "workspaces", NOW + after, skew)
    claims = ID_CLAIMS | {"iat": NOW + min(after, 0), "exp": NOW}
    if after < skew:
        check_id(claims, expected)
    else:
        with pytest.raises(TokenRefused, match="expired"):
            check_id(claims, expected)


@pytest.mark.parametrize("nonce", ["", "n" * 42, "N" * 43, None, 7, ["n" * 43], "ä"])
def test_the_nonce_of_another_sign_in_is_refused(nonce: object) -> None:
    with pytest.raises(TokenRefused, match="nonce"):
        check_id(ID_CLAIMS | {"nonce": nonce})


@pytest.mark.parametrize("sub", ["", "a" * 256, 7, None, ["alice"], "a\nb"])
def test_a_subject_is_a_short_text(sub: object) -> None:
    with pytest.raises(TokenRefused):
        check_id(ID_CLAIMS | {"sub": sub})


def test_tokens_for_something_else_are_refused() -> None:
    with pytest.raises(TokenRefused):
        check_id(ID_CLAIMS, typ="at+jwt")
    with pytest.raises(TokenRefused):
        check_id(ID_CLAIMS, typ="logout+jwt")
    with pytest.raises(TokenRefused, match="another client"):
        check_id(ID_CLAIMS | {"azp": "another"})
    with pytest.raises(TokenRefused, match="access token"):
        check_id(ID_CLAIMS | {"at_hash": "AAAA"}, alg="RS256")
    with pytest.raises(TokenRefused, match="nonce"):
        check_logout(LOGOUT_CLAIMS | {"nonce": "n"})
    with pytest.raises(TokenRefused, match="tells of no logout"):
        check_logout(LOGOUT_CLAIMS | {"events": {"http://schemas.openid.net/event/backchannel-logout": True}})
    with pytest.raises(TokenRefused, match="no logout"):
        check_logout(ID_CLAIMS)
    with pytest.raises(TokenRefused):
        check_logout({key: value for key, value in LOGOUT_CLAIMS.items() if key not in {"sub", "sid"}})


@pytest.mark.parametrize(
    ("wanted", "page"),
    [
        ("/workspaces/ws-1/terminal?t=1#x", "/workspaces/ws-1/terminal?t=1#x"),
        ("/me", "/me"),
        *(
            (one, START)
            for one in (
                *("", "//evil.example", "/\\evil.example", "https://evil.example", "\\\\evil.example", "evil.example"),
                *(
                    "/\t/evil.example",
                    "/%0d%0aX: y\r\n",
                    " /me",
                    "javascript:alert(1)",
                    "/a\\b",
                    "/ä",
                    "/" + "a" * 3000,
                ),
                *("/api/nixos/session", "/oidc/sign-in?to=/me", "/login?code=x", "/sign-in", "///evil.example"),
            )
        ),
    ],
)
def test_only_pages_of_this_service_are_led_to(wanted: str, page: str) -> None:
    assert local_page(wanted) == page


def test_a_sign_in_comes_back_once_in_time_to_its_own_browser() -> None:
    now = [0.0]
    pending = PendingSignIns(lambda: now[0])
    state, browser, one = pending.begin("r", "/me")
    for wrong in ((state, "x"), (state, ""), ("x", browser), ("", "")):
        with pytest.raises(Unauthenticated):
            pending.take(*wrong)
    assert pending.take(state, browser) == one
    with pytest.raises(Unauthenticated):
        pending.take(state, browser)
    state, browser, _ = pending.begin("r", "/me")
    now[0] += LIFETIME_SECONDS
    with pytest.raises(Unauthenticated):
        pending.take(state, browser)


@given(st.text(max_size=80))
def test_every_name_gives_a_handle(name: str) -> None:
    assert is_handle(handle_from(name))


def test_the_strongest_group_decides_the_role() -> None:
    rules = rules_of({"ops": "admin", "audit": "auditor", "dev": "member"}, {"dev": "developers"}, "none")
    assert rules.role_of(["dev", "ops", "audit"], Role.MEMBER) is Role.ADMIN
    assert rules.role_of(["dev", "audit"], Role.ADMIN) is Role.AUDITOR
    assert rules.role_of([], Role.ADMIN) is Role.MEMBER
    assert rules.groups_of(["dev"]) == {"developers": True}
    assert rules.groups_of(["ops"]) == {"developers": False}
    assert rules_of({}, {}, "none").role_of(["ops"], Role.ADMIN) is Role.ADMIN
    with pytest.raises(InvalidInput):
        rules_of({}, {"dev": "No Name"}, "none")


@given(
    st.dictionaries(
        st.sampled_from(["groups", "name", "email", "preferred_username", "sid"]),
        st.none() | st.text() | st.integers() | st.lists(st.text() | st.integers()),
    )
)
def test_claims_of_any_kind_give_a_person(claims: dict[str, Any]) -> None:
    person = person_of({**claims, "iss": "i", "sub": "s"}, "groups")
    assert is_handle(person.handle)
    assert all(isinstance(one, str) for one in person.groups)
