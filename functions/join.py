"""``join``: key and tokens in, a Firebase custom token and ICE servers out.

Database operations, which cost money: one read (the key) for a peer that chose neither name nor
room; a read and a write more for a chosen name; one read more for a room that isn't there yet,
two for one that is (one for each 1,000 peers), and up to two more, and 50 leases, if it is
locked or full; with ``find`` the offers that wait there, which the newcomer would read else. A
renewal asks nothing about the room.
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

import schema
import settings
import turn
import usage
from admission import Admission, RoomState, decide_join, decide_room
from body import plain_body, well_formed_body
from database import ATTEMPT_SECONDS, RETRY, admin_app, client
from errors import Refused
from finding import ROOM_FIELDS, plain, standing_offers
from firebase_admin import auth  # type: ignore[import-untyped]  # it ships no types
from firebase_admin.exceptions import (  # type: ignore[import-untyped]  # it ships no types
    FirebaseError,
)
from firebase_functions import https_fn, logger
from google.api_core.exceptions import GoogleAPIError
from google.cloud import firestore
from joinrequest import JoinRequest, read_request
from keys import Key, check_key, load_key
from registry import Claim, register
from tokens import ResumeToken, make_resume_token

LEASES_READ_MAX: Final = 50
"""Leases looked at in a full room, to tell the dead from the living."""
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"

_beside: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="find")

# Callables verify App Check tokens and the caller's own ID token with it, before this code runs.
admin_app()


@plain_body
@well_formed_body
@https_fn.on_call(
    region=settings.region(),
    secrets=settings.join_secrets(),
    max_instances=settings.max_instances(),
    memory=512,
    cpu=1,
    concurrency=80,
    timeout_sec=60,
)
def join(request: https_fn.CallableRequest[Any]) -> dict[str, Any]:
    """Let a peer in, or renew its session; docs/protocol.md, section 6."""
    try:
        if _app_check_required() and request.app is None:
            raise Refused(
                "app-check-required",
                "This project wants an App Check token in the X-Firebase-AppCheck header: set "
                "App Check up in the app, or register a debug token.",
            )
        return answer(
            read_request(request.data),
            request.raw_request.headers.get("Origin"),
            int(time.time()),
        )
    except Refused as refused:
        logger.info("join refused", code=refused.code)
        raise refused.to_https() from None
    except GoogleAPIError as error:
        logger.error("join: the database did not answer", error=type(error).__name__)
        raise Refused(
            "database-unavailable", "The database does not answer. Try again in a few seconds."
        ).to_https() from None


def _app_check_required() -> bool:
    try:
        return settings.app_check_required()
    except ValueError as error:
        logger.error(str(error))
        raise Refused(
            "misconfigured", "The project's functions have a wrong setting; see the log of 'join'."
        ) from None


def answer(request: JoinRequest, origin: str | None, now: int) -> dict[str, Any]:
    """Answer a request that is well-formed.

    Args:
        request: the request.
        origin: its ``Origin`` header; ``None`` without one.
        now: Unix seconds.

    Raises:
        Refused: see the table in docs/protocol.md.
        GoogleAPIError: the database did not answer.
    """
    database = client()
    key = load_key(database, request.key)
    check_key(key, origin)
    admission = decide_join(request, key, now)
    found: dict[str, Any] | None = None
    if admission.room is not None and admission.keeps is None:
        offers = (
            _beside.submit(standing_offers, database, key.realm, admission.room)
            if request.find
            else None
        )
        room = read_room(database, key.realm, admission.room, admission.peer, now)
        decide_room(room)
        if offers is not None:
            found = {"room": None if room is None else room.fields, "offers": offers.result()}
    peer = admission.peer or "p-" + "".join(secrets.choice(_BASE32) for _ in range(16))
    session, nonce = _session(database, key, admission, peer, now)
    ice_servers = _ice_servers(peer, admission.until, now)
    token = _custom_token(key, admission, peer, session)
    resume = ResumeToken(
        peer=peer,
        session=session,
        until=admission.until,
        nonce=nonce,
        room=admission.room,
        bound=admission.bound,
        role=admission.vouched_role,
        call=admission.call,
        data=admission.data,
        ends=admission.ends,
    )
    renewed = admission.keeps == session
    usage.count(key.realm, "renewals" if renewed else "joins")
    logger.info(
        "renewed" if renewed else "joined",
        realm=key.realm,
        key=key.id,
        peer=peer,
        client=request.client,
    )
    return {
        "token": token,
        "realm": key.realm,
        "peer": peer,
        "session": session,
        "room": admission.room,
        "call": admission.call,
        "role": admission.role,
        "until": admission.until,
        "resume": make_resume_token(resume, key, now),
        "iceServers": ice_servers,
        "connect": key.connect,
        "capacity": key.capacity,
        "data": admission.data,
        "found": found,
    }


def read_room(
    database: firestore.Client, realm: str, room: str, peer: str | None, now: int
) -> RoomState | None:
    """Read what :func:`admission.decide_room` must know, and no more; ``None`` without a room."""
    reference = database.document(schema.room_path(realm, room))
    snapshot = reference.get(ROOM_FIELDS, retry=RETRY, timeout=ATTEMPT_SECONDS)
    if not snapshot.exists:
        return None
    fields = snapshot.to_dict() or {}
    locked = fields.get("locked") is True
    capacity = fields.get("capacity")
    capacity = capacity if isinstance(capacity, int) else None
    peers = reference.collection(schema.PEERS)
    present = 0
    if capacity is not None and not locked:
        counted = peers.limit(capacity).count().get(retry=RETRY, timeout=ATTEMPT_SECONDS)
        present = int(counted[0][0].value)
    full = capacity is not None and present >= capacity
    member = False
    if peer is not None and (locked or full):
        member = peers.document(peer).get([], retry=RETRY, timeout=ATTEMPT_SECONDS).exists
    if full and not member:
        # A lease that has passed is a ghost's: it must not keep anybody out until the sweep.
        moment = datetime.fromtimestamp(now, UTC)
        leases = (
            peers.select(["leaseUntil"])
            .limit(LEASES_READ_MAX)
            .get(retry=RETRY, timeout=ATTEMPT_SECONDS)
        )
        present -= sum(
            isinstance(lease, datetime) and lease < moment
            for lease in (found.get("leaseUntil") for found in leases)
        )
    told = plain(fields, ROOM_FIELDS)
    return RoomState(locked=locked, capacity=capacity, present=present, member=member, fields=told)


def _session(
    database: firestore.Client, key: Key, admission: Admission, peer: str, now: int
) -> tuple[str, str | None]:
    """The session, and for a chosen peer id the nonce that proves who holds it."""
    fresh = secrets.token_urlsafe(16)
    if not admission.chosen:
        return admission.keeps or fresh, None
    claim = Claim(
        peer=peer,
        key=key.id,
        until=admission.until,
        fresh_session=fresh,
        nonce=admission.nonce or secrets.token_urlsafe(24),
        session=admission.keeps,
    )
    return register(database, key.realm, claim, now), claim.nonce


def _ice_servers(peer: str, until: int, now: int) -> list[turn.IceServer]:
    """STUN, and TURN if it can be had: many calls need no relay, so they get in without."""
    options = settings.turn()
    servers = turn.stun_servers(options)
    try:
        return servers + turn.turn_servers(options, peer, until, now)
    except turn.TurnUnavailable as error:
        logger.error("join goes on without TURN", provider=options.provider, reason=str(error))
        return servers


def _custom_token(key: Key, admission: Admission, peer: str, session: str) -> str:
    """The token to sign in with. In the cloud the IAM API signs it."""
    claims: dict[str, Any] = {
        "realm": key.realm,
        "peer": peer,
        "session": session,
        "role": admission.role,
        "until": admission.until,
    }
    if admission.room is not None:
        claims["room"] = admission.room
    if admission.call is not None:
        claims["call"] = admission.call
    try:
        token: bytes = auth.create_custom_token(f"{key.realm}:{peer}", claims, admin_app())
    except (FirebaseError, auth.TokenSignError, ValueError) as error:
        logger.error(
            "Custom tokens can't be signed. Give the functions' service account the role "
            "'Service Account Token Creator' (roles/iam.serviceAccountTokenCreator) and enable "
            "the IAM Service Account Credentials API",
            error=type(error).__name__,
        )
        raise Refused(
            "misconfigured",
            "This project's functions can't sign tokens yet; its owner finds the reason in the "
            "log of 'join'.",
        ) from None
    return token.decode("ascii")
