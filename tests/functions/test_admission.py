"""Decisions of ``join`` that need no database."""

from __future__ import annotations

import json
import re
from typing import Any

import jwt
import pytest
import schema
from admission import Admission, RoomState, decide_join, decide_room
from errors import Refused
from hypothesis import given
from hypothesis import strategies as st
from joinrequest import read_request
from keys import Key, check_key, parse_key
from registry import Claim, decide_holder, nonce_hash
from tokens import (
    LEEWAY_SECONDS,
    RESUME_SECONDS,
    ResumeToken,
    make_resume_token,
    read_resume_token,
    read_server_token,
)

from firertc.tokens import make_token

NOW = 1_800_000_000
SECRET = "a secret of at least thirty-two characters"
KEY = Key(id="key1", realm="realm1", secret=SECRET, programs=True)
RESUME = ResumeToken(peer="p-aaaaaaaaaaaaaaaa", session="s" * 22, until=NOW + 1000)


def refused(code: str) -> Any:
    """Expect a refusal with a code."""
    return pytest.raises(Refused, check=lambda error: error.code == code)


def signed(secret: str = SECRET, **claims: Any) -> str:
    """A token of any content."""
    return jwt.encode({"iss": "key1", "exp": NOW + 60} | claims, secret, "HS256")


def decide(key: Key = KEY, **fields: Any) -> Admission:
    """Decide on a request."""
    return decide_join(read_request({"key": key.id} | fields), key, NOW)


# ---- ids --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("plain-Name_1", "plain-Name_1"),
        ("a b", "a%20b"),
        ("a/b", "a%2Fb"),
        ("a:b~c", "a%3Ab%7Ec"),
        ("100%", "100%25"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("ü", "%C3%BC"),
        ("😀", "%F0%9F%98%80"),
        ("__x__", "%5F_x__"),
        ("____", "%5F___"),
        ("__", "__"),
        ("___", "___"),
        ("__x", "__x"),
        ("\x00", "%00"),
    ],
)
def test_ids(name: str, encoded: str) -> None:
    assert schema.encode_id(name) == encoded


@given(st.text(min_size=1), st.text(min_size=1))
def test_ids_are_of_the_form_and_one_to_one(one: str, other: str) -> None:
    encoded = schema.encode_id(one)
    assert re.fullmatch(r"[A-Za-z0-9_%-]+", encoded)
    assert not re.fullmatch(r"__.*__", encoded)
    assert (encoded == schema.encode_id(other)) == (one == other)


# ---- requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "bad-request"),
        ([], "bad-request"),
        ("key", "bad-request"),
        ({}, "bad-request"),
        ({"key": ""}, "bad-request"),
        ({"key": 1}, "bad-request"),
        ({"key": "k", "surprise": 1}, "bad-request"),
        ({"key": "k", "room": 7}, "bad-request"),
        ({"key": "k", "peer": ["x"]}, "bad-request"),
        ({"key": "k", "call": "XYZ"}, "bad-request"),
        ({"key": "k", "call": "a" * 31}, "bad-request"),
        ({"key": "k", "token": "t" * 16385}, "bad-request"),
        ({"key": "k", "session": "s" * 22}, "bad-request"),
        ({"key": "k", "resume": "r", "session": "no"}, "bad-request"),
        ({"key": "k", "client": "curl"}, "bad-request"),
        ({"key": "k", "client": {"name": 1}}, "bad-request"),
        ({"key": "k", "client": {"name": "n" * 65}}, "bad-request"),
        ({"key": "k", "room": ""}, "invalid-room"),
        ({"key": "k", "room": "r" * 129}, "invalid-room"),
        ({"key": "k", "room": "r" * 1000}, "invalid-room"),
        ({"key": "k", "room": "ü" * 22}, "invalid-room"),
        ({"key": "k", "room": "\ud800"}, "invalid-room"),
        ({"key": "k", "peer": ""}, "invalid-peer-id"),
        ({"key": "k", "peer": "p" * 81}, "invalid-peer-id"),
        ({"key": "k", "peer": "p" * 1000}, "invalid-peer-id"),
        ({"key": "k", "peer": "\udfff"}, "invalid-peer-id"),
    ],
)
def test_malformed_request(data: Any, code: str) -> None:
    with refused(code):
        read_request(data)


def test_longest_names_fit() -> None:
    request = read_request({"key": "k", "peer": "p" * 80, "room": "ü" * 21 + "rr"})
    assert request.peer == "p" * 80
    assert request.room is not None
    assert len(request.room) == schema.ROOM_ID_BYTES
    # The uid is realm, colon, peer; Firebase takes 128 characters.
    assert schema.REALM_ID_BYTES + 1 + schema.PEER_ID_BYTES <= 128


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("key", "room", "peer", "call", "resume", "session", "token", "client")


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_any_json_is_read_or_refused(data: Any) -> None:
    try:
        request = read_request(data)
    except Refused as error:
        assert error.code in ("bad-request", "invalid-room", "invalid-peer-id")
    else:
        assert request.key


def test_client_is_made_fit_for_a_log_line() -> None:
    client = {"name": "my\nclient\x1b[31m", "version": "1"}
    assert read_request({"key": "k", "client": client}).client == "my?client?[31m 1"


# ---- keys -------------------------------------------------------------------------------------


def test_key_that_lacks_fields_is_strict() -> None:
    key = parse_key("k", {"realm": "r", "secret": "s"})
    assert not key.programs
    assert key.origins == ()
    with refused("programs-not-allowed"):
        check_key(key, None)
    with refused("origin-not-allowed"):
        check_key(key, "https://example.com")


@pytest.mark.parametrize("fields", [{}, {"realm": "r"}, {"secret": "s"}, {"realm": 1, "secret": 2}])
def test_broken_key_document(fields: dict[str, Any]) -> None:
    with refused("misconfigured"):
        parse_key("k", fields)


def test_limits_of_a_wrong_kind_are_the_strict_ones() -> None:
    limits = {"role": "emperor", "sessionSeconds": 10**9, "connect": "some", "capacity": 1}
    key = parse_key("k", {"realm": "r", "secret": "s", "limits": limits, "disabled": "yes"})
    assert (key.role, key.session_seconds, key.connect, key.capacity, key.disabled) == (
        "subscriber",
        schema.SESSION_SECONDS,
        None,
        None,
        True,
    )


def test_secrets_are_not_in_representations() -> None:
    token = signed()
    shown = repr(KEY) + repr(read_request({"key": "k", "resume": token, "token": token}))
    shown += repr(Claim("p", "k", NOW, "s", nonce="the nonce"))
    assert SECRET not in shown
    assert token not in shown
    assert "the nonce" not in shown


# ---- server-made tokens -----------------------------------------------------------------------


def test_server_token_of_the_package() -> None:
    token = make_token(
        "key1", SECRET, room="a room", peer="Zoë", role="moderator", data={"name": "Z"}
    )
    issued = jwt.decode(token, options={"verify_signature": False})["iat"]
    read = read_server_token(token, KEY, issued)
    assert (read.room, read.peer, read.role) == ("a%20room", "Zo%C3%AB", "moderator")
    assert read.data is not None
    assert json.loads(read.data) == {"name": "Z"}


NONE_ALG = jwt.encode({"iss": "key1", "exp": NOW + 60}, "", "none")


@pytest.mark.parametrize(
    ("token", "code", "hint"),
    [
        (signed("another secret of at least 32 characters!"), "forged-token", "rotated"),
        (signed(iss="key2"), "forged-token", "another key"),
        (signed(exp=None), "forged-token", "exp"),
        (jwt.encode({"iss": "key1"}, SECRET, "HS256"), "forged-token", "'exp'"),
        (jwt.encode({"exp": NOW + 60}, SECRET, "HS256"), "forged-token", "'iss'"),
        (jwt.encode({"iss": "key1", "exp": NOW + 9}, SECRET * 2, "HS512"), "forged-token", "HS256"),
        (NONE_ALG, "forged-token", "HS256"),
        (signed()[:-4], "forged-token", "secret"),
        (signed() + "A", "forged-token", ""),
        ("", "forged-token", "JWT"),
        ("a.b.c", "forged-token", "JWT"),
        ("ü.ü.ü", "forged-token", "JWT"),
        (signed(realm="realm2"), "forged-token", "realm"),
        (signed(realm="\ud800"), "forged-token", "realm"),
        (signed(role="king"), "forged-token", "role"),
        (signed(role=1), "forged-token", "role"),
        (signed(room={"a": 1}), "forged-token", "room"),
        (signed(data="x" * 8193), "forged-token", "data"),
        (signed(room=""), "invalid-room", ""),
        (signed(peer="p" * 81), "invalid-peer-id", ""),
        (signed(exp=NOW - LEEWAY_SECONDS), "expired-token", "clock"),
        (signed(iat=NOW + LEEWAY_SECONDS + 1), "expired-token", "ahead"),
        (signed(nbf=NOW + 7200, exp=NOW + 9999), "expired-token", "7200 s"),
        (make_resume_token(RESUME, KEY, NOW), "forged-token", "not a server-made token"),
    ],
)
def test_bad_server_token(token: str, code: str, hint: str) -> None:
    with refused(code) as error:
        read_server_token(token, KEY, NOW)
    assert hint in error.value.message
    assert SECRET not in error.value.message


def test_clocks_may_differ_a_little() -> None:
    read_server_token(signed(exp=NOW - LEEWAY_SECONDS + 1), KEY, NOW)
    read_server_token(signed(iat=NOW + LEEWAY_SECONDS), KEY, NOW)


# ---- resume tokens ----------------------------------------------------------------------------


def test_resume_token_comes_back_whole() -> None:
    token = ResumeToken("p", "s" * 22, NOW + 1, "nonce", "room", True, "moderator", "c" * 32, "{}")
    assert read_resume_token(make_resume_token(token, KEY, NOW), KEY, NOW) == token
    assert read_resume_token(make_resume_token(RESUME, KEY, NOW), KEY, NOW) == RESUME


def test_server_token_is_no_resume_token() -> None:
    with refused("forged-token"):
        read_resume_token(signed(sub="p", session="s" * 22, until=NOW, realm="realm1"), KEY, NOW)


def test_resume_token_of_another_realm_or_key() -> None:
    token = make_resume_token(RESUME, KEY, NOW)
    with refused("forged-token"):
        read_resume_token(token, Key("key1", "realm2", SECRET), NOW)
    with refused("forged-token"):
        read_resume_token(token, Key("key2", "realm1", SECRET), NOW)


def test_resume_token_expires() -> None:
    token = make_resume_token(RESUME, KEY, NOW)
    read_resume_token(token, KEY, NOW + RESUME_SECONDS)
    with refused("expired-token"):
        read_resume_token(token, KEY, NOW + RESUME_SECONDS + LEEWAY_SECONDS)


# ---- who is let in ----------------------------------------------------------------------------


def test_plain_join() -> None:
    admission = decide(room="r", call="c" * 32)
    assert admission.peer is None
    assert not admission.chosen
    assert (admission.room, admission.bound, admission.call) == ("r", False, "c" * 32)
    assert (admission.role, admission.until) == ("publisher", NOW + 3600)


def test_role_of_the_key() -> None:
    key = Key("key1", "realm1", SECRET, role="subscriber", session_seconds=600)
    assert decide(key).role == "subscriber"
    assert decide(key).until == NOW + 600
    assert decide(key, token=signed(role="moderator")).role == "moderator"
    assert decide(key, token=signed()).role == "subscriber"


def test_key_that_wants_tokens() -> None:
    key = Key("key1", "realm1", SECRET, token_required=True)
    with refused("token-required"):
        decide(key)
    vouched = decide(key, token=signed())
    assert vouched.vouched_role == "publisher"
    resume = make_resume_token(
        ResumeToken("p", "s" * 22, NOW + 9, "n", role=vouched.vouched_role), key, NOW
    )
    assert decide(key, resume=resume).peer == "p"
    with refused("token-required"):
        decide(key, resume=make_resume_token(RESUME, key, NOW))


def test_token_binds_to_its_room() -> None:
    token = signed(room="the room")
    assert decide(token=token).room == "the%20room"
    assert decide(token=token, room="the room").bound
    with refused("wrong-room"):
        decide(token=token, room="another")


def test_renewal_stays_in_the_room_of_the_token() -> None:
    bound = ResumeToken("p", "s" * 22, NOW + 9, "n", room="a", bound=True, role="moderator")
    token = make_resume_token(bound, KEY, NOW)
    admission = decide(resume=token, session="s" * 22)
    assert (admission.room, admission.bound, admission.role) == ("a", True, "moderator")
    assert admission.keeps == "s" * 22
    with refused("wrong-room"):
        decide(resume=token, room="b")


def test_renewal_may_change_a_room_of_its_own_choice() -> None:
    token = make_resume_token(ResumeToken("p", "s" * 22, NOW + 9, room="a"), KEY, NOW)
    assert decide(resume=token).room == "a"
    assert decide(resume=token, room="b").room == "b"


def test_token_names_the_peer() -> None:
    assert decide(token=signed(peer="alice")).peer == "alice"
    assert decide(token=signed(peer="alice")).chosen
    with refused("forged-token"):
        decide(token=signed(peer="alice"), peer="bob")
    with refused("forged-token"):
        decide(resume=make_resume_token(RESUME, KEY, NOW), token=signed(peer="alice"))
    with refused("forged-token"):
        decide(resume=make_resume_token(RESUME, KEY, NOW), peer="alice")


def test_nobody_chooses_an_id_that_join_gives_out() -> None:
    with refused("invalid-peer-id"):
        decide(peer=RESUME.peer)
    with refused("invalid-peer-id"):
        decide(token=signed(peer=RESUME.peer))
    assert decide(peer=RESUME.peer, resume=make_resume_token(RESUME, KEY, NOW)).peer == RESUME.peer


@pytest.mark.parametrize(
    ("until", "session", "keeps"),
    [(NOW + 1, "s" * 22, True), (NOW, "s" * 22, False), (NOW + 1, "t" * 22, False)],
)
def test_only_a_live_session_goes_on(until: int, session: str, keeps: bool) -> None:
    token = make_resume_token(ResumeToken("p", "s" * 22, until), KEY, NOW)
    assert decide(resume=token, session=session).keeps == ("s" * 22 if keeps else None)
    assert decide(resume=token).keeps is None


# ---- who holds a chosen id --------------------------------------------------------------------

HELD = {"session": "old" * 6, "until": NOW + 5, "resumeHash": nonce_hash("mine"), "key": "key1"}


def claim(nonce: str, session: str | None = None) -> Claim:
    """A claim on a peer id."""
    return Claim("p", "key1", NOW + 3600, "fresh" * 4, nonce=nonce, session=session)


@pytest.mark.parametrize(
    ("held", "wanted", "session"),
    [
        (None, claim("x"), "fresh" * 4),
        (None, claim("x", "kept" * 5), "kept" * 5),
        (HELD, claim("mine", "old" * 6), "old" * 6),
        (HELD, claim("mine"), "fresh" * 4),
        (HELD, claim("mine", "other" * 4), "fresh" * 4),
        (HELD | {"until": NOW}, claim("x"), "fresh" * 4),
        (HELD | {"until": NOW}, claim("mine", "old" * 6), "fresh" * 4),
        (HELD | {"until": None}, claim("x"), "fresh" * 4),
        (HELD, claim("x"), None),
        (HELD, claim("x", "old" * 6), None),
        (HELD | {"resumeHash": None}, claim("None"), None),
    ],
)
def test_holder(held: dict[str, Any] | None, wanted: Claim, session: str | None) -> None:
    if session is None:
        with refused("unavailable-id"):
            decide_holder(held, wanted, NOW)
    else:
        assert decide_holder(held, wanted, NOW) == session


# ---- rooms ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("room", "code"),
    [
        (None, None),
        (RoomState(locked=False, capacity=2, present=1, member=False), None),
        (RoomState(locked=False, capacity=None, present=0, member=False), None),
        (RoomState(locked=False, capacity=2, present=2, member=True), None),
        (RoomState(locked=True, capacity=2, present=2, member=True), None),
        (RoomState(locked=False, capacity=2, present=2, member=False), "room-full"),
        (RoomState(locked=True, capacity=9, present=0, member=False), "room-locked"),
    ],
)
def test_room(room: RoomState | None, code: str | None) -> None:
    if code is None:
        decide_room(room)
    else:
        with refused(code):
            decide_room(room)
