"""Who is let in, as what: the decisions of ``join``, without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import schema
from credentials import LEEWAY_SECONDS, Credentials, check_credentials
from errors import Refused
from joinrequest import JoinRequest, room_id
from keys import Key
from tokens import ResumeToken, ServerToken, read_resume_token, read_server_token


@dataclass(frozen=True)
class Admission:
    """What a request may have, as far as key and tokens say. Ids, not names."""

    peer: str | None
    """The peer id; ``None``: any random one."""

    chosen: bool
    """Whether the id was chosen, so must be registered."""

    room: str | None
    """The only room; ``None``: any."""

    bound: bool
    """Whether a server-made token says so."""

    call: str | None
    """The one-off call that may be created."""

    role: str
    """``subscriber``, ``publisher`` or ``moderator``."""

    vouched_role: str | None
    """The role, if a server-made token gave it."""

    until: int
    """End of the session, Unix seconds."""

    keeps: str | None
    """The live session that goes on; ``None``: a new one."""

    nonce: str | None
    """Of the resume token of a chosen id; ``None``: a fresh one."""

    data: str | None
    """Data of the server-made token."""

    ends: int | None
    """When the credentials end that let the peer in, Unix seconds; ``None``: no such end."""


@dataclass(frozen=True)
class RoomState:
    """What the documents say of the room that was asked for."""

    locked: bool
    """Its ``locked``."""

    capacity: int | None
    """Its ``capacity``."""

    present: int
    """Peers in it, without those whose lease has passed."""

    member: bool
    """Whether the peer is one of them."""

    fields: dict[str, Any] | None = None
    """What its document says, to be told to whoever is let in."""


def decide_join(request: JoinRequest, key: Key, now: int) -> Admission:
    """Decide from the request, the key and the tokens alone.

    A server-made token speaks for this request; a resume token hands on what an earlier one gave
    (its expiry bounds when one may enter, not how long one may stay). Credentials do the same for
    one room, and their end is the end of the stay too. Without any, the key's limits count, as
    they are now.

    Args:
        request: the request.
        key: the key, already checked for where the request came from.
        now: Unix seconds.

    Raises:
        Refused: see the table in docs/protocol.md.
    """
    resume = None if request.resume is None else read_resume_token(request.resume, key, now)
    keeps = None
    if resume is not None and request.session == resume.session and resume.until > now:
        keeps = resume.session
    credentials = request.credentials
    try:
        server = None if request.token is None else read_server_token(request.token, key, now)
        if credentials is not None:
            check_credentials(credentials, key, now)
    except Refused as refused:
        # Who is in renews its session with all that it came with, which may be over by now: then
        # the resume token hands on what it gave.
        if refused.code != "expired-token" or keeps is None or resume is None or not resume.role:
            raise
        server = credentials = None
    vouched = (
        server is not None
        or credentials is not None
        or (resume is not None and resume.role is not None)
    )
    if key.token_required and not vouched:
        raise Refused(
            "token-required",
            "This key lets in only who brings a server-made token: have your server make one "
            "with the key's secret, and send it as 'token'.",
        )
    peer, chosen = _peer(request, server, resume)
    room, bound = _room(request, server, resume, credentials)
    role = key.role
    vouched_role = None
    if server is not None:
        role = vouched_role = server.role or key.role
    elif credentials is not None:
        vouched_role = role
    elif resume is not None and resume.role is not None:
        role = vouched_role = resume.role
    ends = _ends(credentials, None if server is not None else resume, now)
    until = now + key.session_seconds
    return Admission(
        peer=peer,
        chosen=chosen,
        room=room,
        bound=bound,
        call=request.call or (resume.call if resume is not None and keeps else None),
        role=role,
        vouched_role=vouched_role,
        until=until if ends is None else min(until, ends),
        keeps=keeps,
        nonce=None if resume is None else resume.nonce,
        data=server.data if server is not None else resume.data if resume is not None else None,
        ends=ends,
    )


def _ends(credentials: Credentials | None, resume: ResumeToken | None, now: int) -> int | None:
    ends = resume.ends if resume is not None else None
    if credentials is not None:
        ends = int(credentials.ends_at) + LEEWAY_SECONDS
    if ends is not None and ends <= now:
        raise Refused(
            "expired-token",
            f"The credentials that let you in ended {now - ends} s ago. Ask your server for new "
            "ones.",
        )
    return ends


def _peer(
    request: JoinRequest, server: ServerToken | None, resume: ResumeToken | None
) -> tuple[str | None, bool]:
    vouched = None if server is None else server.peer
    if vouched is not None and request.peer not in (None, vouched):
        raise Refused("forged-token", "The server-made token is for another peer than 'peer'.")
    wanted = vouched or request.peer
    if resume is not None:
        if wanted not in (None, resume.peer):
            raise Refused("forged-token", "The resume token is for another peer than 'peer'.")
        return resume.peer, resume.nonce is not None
    if wanted is not None and schema.RANDOM_PEER_PATTERN.fullmatch(wanted):
        raise Refused(
            "invalid-peer-id",
            "Peer names of this form are given out by 'join' at random; choose another form.",
        )
    return wanted, wanted is not None


def _room(
    request: JoinRequest,
    server: ServerToken | None,
    resume: ResumeToken | None,
    credentials: Credentials | None,
) -> tuple[str | None, bool]:
    if credentials is not None:
        signed = room_id(credentials.room)
        if request.room not in (None, signed):
            raise Refused(
                "wrong-room",
                "The credentials are for another room: ask your server for some for this room.",
            )
        return signed, True
    bound = server.room if server is not None else None
    if bound is None and resume is not None and resume.bound:
        bound = resume.room
    if bound is not None:
        if request.room not in (None, bound):
            raise Refused(
                "wrong-room",
                "The server-made token is for another room: ask your server for one for this room.",
            )
        return bound, True
    return request.room or (resume.room if resume is not None else None), False


def decide_room(room: RoomState | None) -> None:
    """Check a newcomer against a room; ``None``, a room that isn't there yet, takes anyone.

    Soft: two who come at the same moment may both find the last place free.

    Raises:
        Refused: ``room-locked`` or ``room-full``.
    """
    if room is None or room.member:
        return
    if room.locked:
        raise Refused("room-locked", "The room is locked: ask a moderator in it to unlock it.")
    if room.capacity is not None and room.present >= room.capacity:
        raise Refused(
            "room-full", f"The room is full ({room.capacity} peers). Try again when somebody left."
        )
