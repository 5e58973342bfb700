"""Who this client is: join by key or in an open realm, sign in, renew, know the server's time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import accounts
from .config import DEFAULT_STUN, Config
from .database import Database, Operations
from .errors import (
    ConfigError,
    DatabaseUnreachable,
    Denied,
    FireRTCError,
    FunctionsUnreachable,
    KeyRefused,
    PeerIdUnavailable,
    RoomFull,
    RoomLocked,
    SessionExpired,
    Unreachable,
)
from .schema import REALM_ID_BYTES, encode_id, new_session
from .snapshots import Snapshots

RENEW_SECONDS = 45 * 60
"""Sessions last an hour at most; renewed a quarter before."""
RENEW_PART = 0.75
"""The same of a session that is shorter."""
RETRY_SECONDS = 30.0
TOKEN_SLACK_SECONDS = 30.0
"""A token this near its end is not used any more, if another can be had."""
LEAVE_SECONDS = 5.0
"""A session that can't be renewed is over so long before its end: time to go without leaving
anything behind."""
OPEN_SUFFIX_BYTES = 4
NOT_OPEN = " Is the realm open? Otherwise its owner gives you a key (FIRERTC_KEY or --key)."

REPLY = ("token", "realm", "peer", "session", "role", "resume")
"""What ``join`` always answers with."""

_REFUSALS: Mapping[str, type[FireRTCError]] = {
    "unknown-key": KeyRefused,
    "disabled-key": KeyRefused,
    "origin-not-allowed": KeyRefused,
    "programs-not-allowed": KeyRefused,
    "unavailable-id": PeerIdUnavailable,
    "invalid-peer-id": PeerIdUnavailable,
    "expired-token": SessionExpired,
    "forged-token": SessionExpired,
    "invalid-room": ConfigError,
    "room-full": RoomFull,
    "database-unavailable": DatabaseUnreachable,
    "room-locked": RoomLocked,
}


@dataclass(frozen=True)
class Credentials:
    """What a server of the realm's owner signs with a key's secret, for one room and a time: base64
    of HMAC-SHA1 over ``{room}_{duration}_{start}`` (docs/protocol.md, section 6)."""

    start: str
    """ISO 8601, as it was signed; without an offset it is UTC."""
    duration: float | str
    """Hours; as it was signed, if it is text."""
    signature: str = field(repr=False)
    """Base64, percent-encoded or not."""
    room: str | None = None
    """Name of the room as it was signed, if it isn't the one that is joined."""

    def fields(self) -> dict[str, Any]:
        """As ``join`` takes them."""
        fields = {"startDateTime": self.start, "duration": self.duration}
        fields["credentials"] = self.signature
        return fields if self.room is None else {**fields, "room": self.room}


@dataclass
class Session:
    """One incarnation of a peer: its identity, its token, its database.

    Made by :func:`join` or :func:`join_open`; close it when done.
    """

    config: Config
    realm: str
    peer: str
    session: str
    role: str
    room: str | None = None
    """Id of the only room it is good for."""
    connect: str | None = field(default=None, repr=False)
    """``all`` or ``none``: what a room made by this peer should say; None: as it likes."""
    capacity: int | None = field(default=None, repr=False)
    """How many a room made by this peer should take; None: as it likes."""
    resume: str = field(default="", repr=False)
    """Resume token: with it the same peer can join again after a crash, within 24 hours."""
    ice_servers: tuple[Mapping[str, Any], ...] = ()
    offset_seconds: float = 0.0
    """The server's clock less ours."""
    wall: Callable[[], float] = time.time
    """Our clock: Unix seconds."""
    _token: str = field(default="", repr=False)
    _refresh_token: str = field(default="", repr=False)
    _asked: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _good_until: float = field(default=0.0, repr=False)
    """Unix seconds, the server's; 0: not known."""
    _renewal: asyncio.Task[None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.database = Database(
            project=self.config.project,
            database=self.config.database,
            emulator=self.config.firestore_emulator,
            tokens=self,
            denial_hint="" if self.keyed else NOT_OPEN,
        )
        self.snapshots = Snapshots(self.database)
        self._refreshing = asyncio.Lock()
        self._refusal: Denied | None = None
        """Why the session can't be renewed."""
        self._over = asyncio.Event()

    @property
    def keyed(self) -> bool:
        """Whether a key let us in; else the realm is open."""
        return bool(self._asked)

    @property
    def operations(self) -> Operations:
        """What this session's requests cost."""
        return self.database.operations

    def now(self) -> float:
        """The server's time, in Unix seconds."""
        return self.wall() + self.offset_seconds

    async def token(self) -> str:
        """The ID token that requests are signed with; a fresh one if this process slept too long.

        :raises SessionExpired: if the session is over and can't be renewed.
        """
        left = self._good_until - self.now() if self._good_until else TOKEN_SLACK_SECONDS
        if left >= TOKEN_SLACK_SECONDS or (self._refusal is not None and left > 0):
            return self._token
        if self._over.is_set() and self._refusal is not None:
            raise self._refusal
        try:
            return await self.refresh(self._token)
        except (Denied, Unreachable):
            if left > 0:
                return self._token
            raise

    async def ended(self) -> Denied:
        """Wait until the session is as good as over and can't be renewed.

        :returns: why; what is to be deleted must be deleted now, within 5 s.
        """
        await self._over.wait()
        if self._refusal is None:
            raise RuntimeError("a session is over, and nobody refused to renew it")
        return self._refusal

    async def refresh(self, refused: str) -> str:
        """Get another ID token, unless somebody already has since ``refused``.

        :raises SessionExpired: if the session can't be renewed.
        """
        async with self._refreshing:
            if refused == self._token or not refused:
                await self.renew()
            return self._token

    async def renew(self) -> None:
        """Prolong the session: the same peer and session with a new token.

        :raises Denied: if the key was disabled meanwhile, or the session is over.
        :raises Unreachable: if nobody answers.
        """
        try:
            if self.keyed:
                await self._renew_by_key()
            else:
                reply = await accounts.refresh(self.config, self._refresh_token)
                self._take(reply["id_token"], reply["refresh_token"])
        except Denied as error:
            self._refusal = error
            raise
        self._refusal = None
        self.snapshots.reopen()

    async def _renew_by_key(self) -> None:
        asked = {**self._asked, "resume": self.resume, "session": self.session}
        reply = await _call_join(self.config, asked)
        await self._sign_in(str(reply["token"]))
        self.resume = str(reply["resume"])
        self.ice_servers = _ice_servers(self.config, reply.get("iceServers"))
        if reply["session"] != self.session:
            # It was over before it was renewed: this token is good to tidy up with, no more.
            self._over.set()
            raise SessionExpired(
                "The session is over: this program stood still, or was off the network, for "
                "longer than a session lasts. Join again."
            )

    async def close(self) -> None:
        """Stop renewing and listening, and close the channel."""
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewal
        await self.snapshots.close()
        await self.database.close()

    async def __aenter__(self) -> Session:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _sign_in(self, custom_token: str) -> None:
        self.database.warm()
        reply = await accounts.sign_in(self.config, custom_token)
        self._take(reply["idToken"], reply["refreshToken"])

    def _take(self, id_token: str, refresh_token: str) -> None:
        told = claims(id_token)
        self._token, self._refresh_token = id_token, refresh_token
        self._good_until = float(min(told["exp"], told.get("until", told["exp"])))
        self.offset_seconds = float(told["iat"]) - self.wall()
        if abs(self.offset_seconds) < 2:
            # iat has whole seconds and the reply took its time: that near, our clock is better.
            self.offset_seconds = 0.0

    def _start_renewal(self) -> None:
        self._renewal = asyncio.create_task(self._keep_renewing(), name="firertc-renewal")

    async def _keep_renewing(self) -> None:
        pause = self._renew_in()
        while True:
            await asyncio.sleep(pause)
            try:
                await self.renew()
                pause = self._renew_in()
            except Denied:
                # Once more at the end: its owner may have thought better of it.
                pause = self._good_until - LEAVE_SECONDS - self.now()
                if pause <= 0 or self._over.is_set():
                    self._over.set()
                    return
            except FireRTCError:
                pause = RETRY_SECONDS

    def _renew_in(self) -> float:
        """Seconds until the session is to be renewed."""
        left = self._good_until - self.now()
        return max(0.0, min(RENEW_SECONDS, left * RENEW_PART))


async def join(
    config: Config,
    *,
    room: str | None = None,
    peer: str | None = None,
    call: str | None = None,
    resume: str | None = None,
    server_token: str | None = None,
    credentials: Credentials | None = None,
    wall: Callable[[], float] = time.time,
) -> Session:
    """Join a realm: by key through the functions, or without one in an open realm.

    :param room: name of the room to bind the session to.
    :param peer: name to be known by; default: a random one.
    :param call: id of a one-off call to create.
    :param resume: resume token of an earlier session of the same peer.
    :param server_token: made by the realm's own server (:mod:`firertc.tokens`).
    :param credentials: in place of a server-made token: good for one room, for a time.
    :raises ConfigError: if both are given, or credentials without a key.
    :raises KeyRefused: unknown, disabled or foreign key.
    :raises PeerIdUnavailable: the name is malformed, or somebody holds it.
    :raises RoomLocked: the room takes no newcomer.
    :raises RoomFull: the room is at its capacity.
    :raises Unreachable: functions or Firebase Auth don't answer.
    """
    if credentials is not None and (server_token is not None or not config.key):
        raise ConfigError(
            "Credentials take the place of a server-made token: give one of them."
            if config.key
            else "Credentials are signed with a key's secret: set that key (FIRERTC_KEY or --key)."
        )
    if not config.key:
        return await _join_open(config, peer=peer, wall=wall)
    asked: dict[str, Any] = {"key": config.key}
    for name, value in (
        ("room", room),
        ("peer", peer),
        ("call", call),
        ("resume", resume),
        ("token", server_token),
        ("credentials", None if credentials is None else credentials.fields()),
    ):
        if value is not None:
            asked[name] = value
    reply = await _call_join(config, asked)
    session = Session(
        config=config,
        realm=str(reply["realm"]),
        peer=str(reply["peer"]),
        session=str(reply["session"]),
        role=str(reply["role"]),
        room=reply.get("room"),
        connect=reply.get("connect"),
        capacity=reply.get("capacity"),
        resume=str(reply["resume"]),
        ice_servers=_ice_servers(config, reply.get("iceServers")),
        wall=wall,
        _asked={name: value for name, value in asked.items() if name != "resume"},
    )
    try:
        await session._sign_in(str(reply["token"]))
    except BaseException:
        await session.close()
        raise
    session._start_renewal()
    return session


async def _join_open(config: Config, *, peer: str | None, wall: Callable[[], float]) -> Session:
    if not config.realm:
        raise ConfigError(
            "Neither a key nor a realm is set: set FIRERTC_KEY (or --key), or FIRERTC_REALM for an "
            "open realm."
        )
    if peer is not None:
        raise ConfigError("In an open realm names are given out by Firebase: leave --as away.")
    account = await accounts.anonymous(config)
    suffix = secrets.token_hex(OPEN_SUFFIX_BYTES)
    session = Session(
        config=config,
        realm=encode_id(config.realm, limit=REALM_ID_BYTES, what="realm"),
        peer=f"{account.uid}-{suffix}",
        session=new_session(),
        role="publisher",
        ice_servers=_ice_servers(config, None),
        wall=wall,
    )
    # For every document that an open account asks for, the rules read whether the realm is open.
    session.database.rule_reads_each = 1
    session._take(account.id_token, account.refresh_token)
    session._start_renewal()
    return session


async def _call_join(config: Config, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Call the function ``join`` (docs/protocol.md, section 6)."""
    url = f"{config.functions()}/join"
    body = {"data": {**asked, "client": {"name": "firertc-python", "version": "1"}}}
    hint = (
        "Is the local suite running? Start it with 'firertc up'."
        if config.local
        else "Check the network, and that the functions are deployed to this project and region."
    )
    reply = await accounts.post(
        url,
        json_body=body,
        attempts=2 if config.local else 4,
        unreachable=FunctionsUnreachable,
        what="The function 'join'",
        hint=hint,
    )
    try:
        content = reply.json()
    except ValueError:
        content = None
    if isinstance(content, dict) and isinstance(content.get("result"), dict):
        result = dict(content["result"])
        missing = next((name for name in REPLY if not isinstance(result.get(name), str)), None)
        if missing is not None:
            raise FunctionsUnreachable(
                f"The function 'join' answered without {missing!r}. Deploy the functions of this "
                "version."
            )
        return result
    if isinstance(content, dict) and isinstance(content.get("error"), dict):
        _refuse(content["error"])
    if reply.status_code == 429 or reply.status_code >= 500:
        raise FunctionsUnreachable(
            f"The function 'join' is overloaded or failed (HTTP {reply.status_code}). Try again "
            "later; the functions' log says more."
        )
    raise FunctionsUnreachable(
        f"There is no function 'join' at {config.functions()} (HTTP {reply.status_code}). Deploy "
        "it with 'firebase deploy --only functions', or use an open realm, which needs none."
    )


def _refuse(error: Mapping[str, Any]) -> None:
    details = error.get("details")
    code = details.get("code") if isinstance(details, Mapping) else None
    message = str(error.get("message") or "The function 'join' refused the request.")
    if isinstance(code, str):
        kind = _REFUSALS.get(code, Denied)
        raise kind(f"{message} ({code})")
    if error.get("status") == "INTERNAL":
        raise FunctionsUnreachable(
            f"The function 'join' failed: {message.rstrip('.')}. See the functions' log."
        )


def _ice_servers(config: Config, given: Any) -> tuple[Mapping[str, Any], ...]:
    if config.ice_servers is not None:
        return config.ice_servers
    if isinstance(given, list) and given:
        return tuple(server for server in given if isinstance(server, Mapping))
    return () if config.local else ({"urls": DEFAULT_STUN},)


def claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified: the server verifies them, we read the time from it.

    :raises SessionExpired: if it is no JWT.
    """
    try:
        middle = token.split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        if not all(isinstance(decoded[name], int | float) for name in ("iat", "exp")):
            raise ValueError("no times")
    except (IndexError, KeyError, TypeError, ValueError):
        raise SessionExpired("Firebase Auth answered with something that is no token.") from None
    return dict(decoded)
