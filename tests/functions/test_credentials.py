"""Credentials of room, start and duration: their form, their signature, their times."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from admission import Admission, decide_join
from credentials import LEEWAY_SECONDS, read_credentials, sign
from errors import Refused
from functions_place import Place
from joinrequest import read_request
from keys import Key
from tokens import read_resume_token

SECRET = "a secret of at least thirty-two characters"
KEY = Key(id="key1", realm="realm1", secret=SECRET, programs=True, token_required=True)
START = "2026-03-01T10:00:00.000Z"
NOW = int(datetime(2026, 3, 1, 10, 30, tzinfo=UTC).timestamp())
HOUR_SECONDS = 3600


def made(
    room: str = "lobby", duration: object = 2, start: str = START, secret: str = SECRET
) -> dict[str, Any]:
    """As a server makes them, in words of its own."""
    digest = hmac.new(secret.encode(), f"{room}_{duration}_{start}".encode(), hashlib.sha1)
    text = base64.b64encode(digest.digest()).decode()
    return {"startDateTime": start, "duration": duration, "credentials": text}


def decide(credentials: Any, key: Key = KEY, now: int = NOW, **fields: Any) -> Admission:
    given = {"key": key.id, "room": "lobby", "credentials": credentials, **fields}
    return decide_join(read_request(given), key, now)


def refused(code: str, words: str = ".") -> Any:
    return pytest.raises(Refused, match=words, check=lambda refusal: refusal.code == code)


def test_a_known_signature() -> None:
    # printf 'room_24_2015-01-24T23:52:20Z' | openssl dgst -sha1 -hmac secret -binary | base64
    signed = sign("room", "24", "2015-01-24T23:52:20Z", "secret")
    assert base64.b64encode(signed) == b"5o1f2F34h9Q4smytllZwJBXshZY="


def test_they_let_in() -> None:
    admission = decide(made())
    assert (admission.room, admission.bound, admission.role) == ("lobby", True, "publisher")
    assert admission.until == NOW + HOUR_SECONDS


@pytest.mark.parametrize("duration", [2, 0.6, "2", "2.0", " 2"])
def test_durations_as_they_are_written(duration: object) -> None:
    decide(made(duration=duration))


def test_a_whole_number_reads_as_javascript_writes_it() -> None:
    decide(made(duration=2) | {"duration": 2.0})


def test_percent_encoded() -> None:
    given = made()
    decide(given | {"credentials": quote(given["credentials"], safe="")})


def test_a_start_without_an_offset_is_utc() -> None:
    decide(made(start="2026-03-01T10:00:00"))


def test_the_role_is_the_keys() -> None:
    assert decide(made(), Key("key1", "realm1", SECRET, role="subscriber")).role == "subscriber"


@pytest.mark.parametrize(
    "forged",
    [
        made(secret="another secret of thirty-two characters"),
        made(room="other"),
        made() | {"duration": 3},
        made() | {"startDateTime": "2026-03-01T10:00:00Z"},
        made() | {"credentials": base64.b64encode(b"x" * 20).decode()},
        made() | {"credentials": ""} | {"credentials": "AAAA"},
    ],
)
def test_forged_ones(forged: dict[str, Any]) -> None:
    with refused("forged-token", "HMAC-SHA1") as error:
        decide(forged)
    assert SECRET not in error.value.message


def test_the_room_that_was_signed() -> None:
    with refused("wrong-room", "another room"):
        decide(made("other") | {"room": "other"})
    assert decide(made("the lobby") | {"room": "the lobby"}, room=None).room == "the%20lobby"


def test_the_clock_is_named() -> None:
    begins = NOW - 1800
    decide(made(), now=begins - LEEWAY_SECONDS)
    with refused("expired-token", "begin 31 s from now.*UTC.*clock.*ahead"):
        decide(made(), now=begins - LEEWAY_SECONDS - 1)
    ends = begins + 2 * HOUR_SECONDS
    assert decide(made(), now=ends + LEEWAY_SECONDS - 1).until == ends + LEEWAY_SECONDS
    with refused("expired-token", "ended 30 s ago.*hours.*clock.*behind"):
        decide(made(), now=ends + LEEWAY_SECONDS)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("text", "object"),
        ({}, "startDateTime"),
        (made() | {"more": 1}, "no field 'more'"),
        (made() | {"startDateTime": "tomorrow"}, "ISO 8601"),
        (made() | {"startDateTime": 5}, "startDateTime"),
        (made() | {"duration": 0}, "above 0"),
        (made() | {"duration": -1}, "above 0"),
        (made() | {"duration": "nan"}, "number"),
        (made() | {"duration": "1e999"}, "number"),
        (made() | {"duration": 10**400}, "number"),
        (made() | {"duration": True}, "number"),
        (made() | {"duration": 10**6}, "up to"),
        (made() | {"credentials": "not base64!"}, "base64"),
        (made() | {"credentials": "x" * 600}, "512"),
        (made() | {"credentials": None}, "credentials"),
    ],
)
def test_malformed_ones(wrong: Any, words: str) -> None:
    with refused("bad-request", words):
        decide(wrong)


def test_without_a_room_or_beside_a_token() -> None:
    with refused("bad-request", "room"):
        decide(made(), room=None)
    with refused("bad-request", "either"):
        decide(made(), token="x")
    with refused("invalid-room"):
        decide(made("x" * 200) | {"room": "x" * 200}, room=None)


def test_nothing_secret_is_shown() -> None:
    given = made()
    assert given["credentials"] not in repr(read_credentials(given, "lobby"))


def test_join_with_credentials(place: Place) -> None:
    key, secret = place.make_key(limits={"tokenRequired": True})
    begins = datetime.fromtimestamp(time.time() - 60, UTC).isoformat()
    joined = place.join(key, room="lobby", credentials=made("lobby", 0.5, begins, secret))
    assert joined["room"] == "lobby"
    ends = time.time() - 60 + 0.5 * HOUR_SECONDS + LEEWAY_SECONDS
    assert joined["until"] == pytest.approx(ends, abs=3)
    claims = jwt.decode(place.sign_in(joined["token"]), options={"verify_signature": False})
    assert claims["room"] == "lobby"
    again = place.join(key, room="lobby", resume=joined["resume"], session=joined["session"])
    assert (again["session"], again["until"]) == (joined["session"], joined["until"])
    wrong = {"key": key, "room": "lobby", "credentials": made("den", 1, begins, secret)}
    assert place.refusal(wrong)[:2] == (401, "forged-token")
    late = {"key": key, "room": "lobby", "credentials": made("lobby", 0.001, begins, secret)}
    assert place.refusal(late)[:2] == (401, "expired-token")


def test_a_session_ends_with_its_credentials() -> None:
    key = Key("key1", "realm1", SECRET, token_required=True)
    first = decide(made(duration=1), key)
    resume = _resume(first)
    later = NOW + 1700
    renewed = decide(made(duration=1), key, later, resume=resume, session="s" * 22)
    assert (renewed.keeps, renewed.until) == ("s" * 22, first.until)
    over = first.until
    with refused("expired-token", "ended"):
        decide(None, key, over, resume=resume, session="s" * 22)


def test_a_renewal_may_bring_a_token_that_has_expired() -> None:
    claims = {"iss": "key1", "exp": NOW + 60, "role": "moderator"}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    first = decide(None, token=token)
    resume = _resume(first)
    later = NOW + 1800
    with refused("expired-token"):
        decide(None, now=later, token=token)
    with refused("expired-token"):
        decide(None, now=later, token=token, resume=resume)
    renewed = decide(None, now=later, token=token, resume=resume, session="s" * 22)
    assert (renewed.keeps, renewed.role) == ("s" * 22, "moderator")
    forged = jwt.encode(claims, SECRET + "x", algorithm="HS256")
    with refused("forged-token"):
        decide(None, now=later, token=forged, resume=resume, session="s" * 22)


def _resume(admission: Admission) -> str:
    from tokens import ResumeToken, make_resume_token

    token = ResumeToken(
        peer="p-" + "a" * 16,
        session="s" * 22,
        until=admission.until,
        room=admission.room,
        bound=admission.bound,
        role=admission.vouched_role,
        ends=admission.ends,
    )
    text = make_resume_token(token, KEY, NOW)
    assert read_resume_token(text, KEY, NOW) == token
    return text
