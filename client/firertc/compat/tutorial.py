"""Calls with pages that were written after one of the two public tutorials on WebRTC over
Firestore, unchanged.

Their documents are the tutorials' own (docs/protocol.md, section 3.9): ``calls/{id}`` with
``offerCandidates`` and ``answerCandidates``, or ``rooms/{id}`` with ``callerCandidates`` and
``calleeCandidates``. The rules keep these paths closed until the project opens them; docs/moving/
tutorial.md says how, and what it means.

Such a page has no data channel. So there is no link here: no messages, no repair, and the end of
the other side shows only when its connection ends or the call's document is deleted. ::

    async with Client() as client:
        call = await tutorial.call(await client.join(), "calls", Media())
        print(call.id)
        await call.answered(600)
        ended = await call.closed()
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self

from aiortc import MediaStreamTrack

from ..call import Media
from ..connection import LocalDescription, Path
from ..database import Change, Create, Delete, Update, Where
from ..errors import (
    AnsweredElsewhere,
    Cancelled,
    CodeUnknown,
    ConfigError,
    DocumentMalformed,
    FireRTCError,
    NoAnswer,
    PermissionDenied,
)
from ..link import LinkEnd
from ..schema import SDP_CHARS
from ..session import Session
from ..snapshots import Listener
from .plain import PlainConnection

__all__ = ["SCHEMAS", "Schema", "TutorialCall", "answer", "call"]

ID_CHARS: Final = 20
"""As Firestore's own libraries make them."""
OFFER_WAIT_SECONDS: Final = 30.0
"""How long an answerer waits for the offer: the pages show the id before they have written it."""
CLEAR_SECONDS: Final = 5.0
"""How long the way out waits for the database."""

_ID_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

Side = Literal["offerer", "answerer"]


@dataclass(frozen=True)
class Schema:
    """Where one of the tutorials keeps what it signals."""

    collection: str
    offer_candidates: str
    answer_candidates: str


SCHEMAS: Final[Mapping[str, Schema]] = {
    "calls": Schema("calls", "offerCandidates", "answerCandidates"),
    "rooms": Schema("rooms", "callerCandidates", "calleeCandidates"),
}
"""By the name of the collection."""


class TutorialCall:
    """One side of a call with such a page. Made by :func:`call` and :func:`answer`; close it."""

    def __init__(
        self, session: Session, schema: Schema, call_id: str, media: Media, side: Side
    ) -> None:
        self.session = session
        self.schema = schema
        self.id = call_id
        """The document's id: what one side tells the other."""
        self.side = side
        self.path = f"{schema.collection}/{call_id}"
        self.left_behind = False
        """Whether documents of the call stay in the database: the rules, or an outage, kept us
        from deleting them."""
        self._connection = PlainConnection(session.ice_servers, media)
        offers, answers = schema.offer_candidates, schema.answer_candidates
        ours, theirs = (offers, answers) if side == "offerer" else (answers, offers)
        self._ours = f"{self.path}/{ours}"
        self._theirs = f"{self.path}/{theirs}"
        self._written: list[str] = []
        """Paths of the documents that are deleted in the end."""
        self._described = asyncio.Event()
        """Set once the other side's description is taken: candidates that come before it wait."""
        self._listeners: list[Listener] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Future[None] | None = None

    # What there is of the other side.

    @property
    def tracks(self) -> list[MediaStreamTrack]:
        """The other side's tracks so far."""
        return list(self._connection.tracks)

    @property
    def on_track(self) -> Callable[[MediaStreamTrack], None]:
        """Told of each track of the other side."""
        return self._connection.on_track

    @on_track.setter
    def on_track(self, told: Callable[[MediaStreamTrack], None]) -> None:
        self._connection.on_track = told

    def network_path(self) -> Path | None:
        """The network path in use; None before there is one."""
        return self._connection.path()

    # The side that offers.

    async def place(self) -> None:
        """Make and write the offer.

        :raises PermissionDenied: if the project hasn't opened these paths.
        """
        offer = await self._connection.offer()
        fields = {"offer": {"type": "offer", "sdp": offer.sdp}}
        await self._commit(Create(self.path, fields))
        self._written.append(self.path)
        self._trickle(offer)

    async def answered(self, timeout: float) -> None:
        """Wait for the answer, take it, and wait until the media can flow.

        :param timeout: seconds for the answer to come; the path has 20 s more.
        :raises NoAnswer: if nobody answers in time.
        :raises Cancelled: if somebody deletes the call meanwhile.
        :raises DocumentMalformed: if the answer can't be used.
        :raises PathUnreachable: if no network path opens.
        """
        states = self._states(self._listen(self.path))
        self._follow_candidates()
        try:
            async with asyncio.timeout(timeout):
                sdp = await self._first(states, "answer")
        except TimeoutError:
            raise NoAnswer(f"Nobody answered within {timeout:.0f} s.") from None
        if sdp is None:
            raise Cancelled("Somebody has deleted the call's document.")
        await self._connection.accept(sdp)
        await self._connect(states)

    # The side that answers.

    async def take(self, wait_seconds: float = OFFER_WAIT_SECONDS) -> None:
        """Wait for the offer, answer it, and wait until the media can flow.

        :param wait_seconds: for the offer to be written.
        :raises CodeUnknown: if there is no offer by then.
        :raises AnsweredElsewhere: if somebody else has answered.
        :raises DocumentMalformed: if the offer can't be used.
        :raises PathUnreachable: if no network path opens.
        """
        states = self._states(self._listen(self.path))
        # Candidates may be there before the offer is, and are kept until it comes.
        self._follow_candidates()
        try:
            async with asyncio.timeout(wait_seconds):
                sdp = await self._first(states, "offer")
        except TimeoutError:
            sdp = None
        if sdp is None:
            raise CodeUnknown(
                f"Nobody has written an offer at {self.path}: the id is mistyped, or the call is "
                "over. Ask for a new one."
            )
        description = await self._connection.answer(sdp)
        written = Update(self.path, {"answer": {"type": "answer", "sdp": description.sdp}})
        try:
            await self._commit(written)
        except PermissionDenied:
            found = await self.session.database.get(self.path)
            if found is not None and _sdp(found, "answer", self.path) not in (
                None,
                description.sdp,
            ):
                raise _elsewhere() from None
            if found is None or found.get("answer") is None:
                raise
        self._trickle(description)
        await self._connect(states)
        # The call is over for both when one of them hangs up: the tutorial's own hang-up deletes
        # all of it, from either side.
        self._written.append(self.path)

    # Both.

    async def closed(self) -> LinkEnd:
        """Wait for the end, and say how it came.

        ``hangup`` by the other side if it closed its connection or deleted the call's document;
        ``failed`` if it fell silent, which takes half a minute to notice.
        """
        return await asyncio.shield(self._connection.ended)

    async def close(self) -> None:
        """Hang up, or give up, and delete what we wrote, as far as the rules let us."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._connection.end(LinkEnd("hangup", by_remote=False))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await self._connection.close()
        await self._clear()

    async def _clear(self) -> None:
        # The document first: it is what the other side listens to. Rules may keep it.
        written = dict.fromkeys(self._written)
        for paths in ([self.path], [path for path in written if path != self.path]):
            changes = [Delete(path) for path in paths if path in written]
            if not changes:
                continue
            try:
                async with asyncio.timeout(CLEAR_SECONDS):
                    await self.session.database.commit(*changes)
            except (FireRTCError, TimeoutError):
                self.left_behind = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _commit(self, *changes: Change) -> None:
        try:
            await self.session.database.commit(*changes)
        except PermissionDenied as error:
            raise _closed_paths(self.schema, error) from None

    def _listen(self, watched: str | Where) -> Listener:
        listener = self.session.snapshots.listen(watched)
        self._listeners.append(listener)
        return listener

    async def _states(self, listener: Listener) -> AsyncIterator[Mapping[str, Any] | None]:
        """The document's states as they come; None while it isn't there."""
        try:
            async for snapshot in listener:
                yield snapshot.documents.get(self.path)
        except PermissionDenied as error:
            raise _closed_paths(self.schema, error) from None

    async def _first(
        self, states: AsyncIterator[Mapping[str, Any] | None], name: Literal["offer", "answer"]
    ) -> str | None:
        """The SDP of the first description of this name; None if the document is deleted."""
        there = False
        async for fields in states:
            if fields is None:
                if there:
                    return None
                continue
            there = True
            if name == "offer" and fields.get("answer") is not None:
                raise _elsewhere()
            sdp = _sdp(fields, name, self.path)
            if sdp is not None:
                return sdp
        return None

    async def _connect(self, states: AsyncIterator[Mapping[str, Any] | None]) -> None:
        self._described.set()
        self._start(self._follow_document(states), "document")
        await self._connection.connected()

    async def _follow_document(self, states: AsyncIterator[Mapping[str, Any] | None]) -> None:
        """A document that is gone is the tutorial's way to hang up."""
        async for fields in states:
            if fields is None:
                if self.path in self._written:
                    self._written.remove(self.path)
                self._connection.end(LinkEnd("hangup", by_remote=True))
                return

    def _follow_candidates(self) -> None:
        listener = self._listen(Where(self._theirs))

        async def follow() -> None:
            seen: set[str] = set()
            async for snapshot in listener:
                await self._described.wait()
                for path, fields in snapshot.documents.items():
                    if path not in seen:
                        seen.add(path)
                        if self.side == "offerer":
                            # They lie below our document: without it nobody would find them.
                            self._written.append(path)
                        await self._connection.add_candidate(fields)

        self._start(follow(), "candidates")

    def _trickle(self, description: LocalDescription) -> None:
        if description.complete:
            return

        async def send() -> None:
            found = {self._new_path(): fields for fields in await self._connection.candidates()}
            if found:
                await self._commit(*(Create(path, fields) for path, fields in found.items()))
                self._written.extend(found)

        self._start(send(), "trickle")

    def _new_path(self) -> str:
        return f"{self._ours}/{new_id()}"

    def _start(self, work: Any, name: str) -> None:
        async def guarded() -> None:
            try:
                await work
            except FireRTCError:
                # Refused or unreachable: the media flows without it, or the path never opens,
                # which is told to whoever waits for it.
                return

        self._tasks.append(asyncio.create_task(guarded(), name=f"firertc-tutorial-{name}"))


async def call(
    session: Session,
    schema: str,
    media: Media | None = None,
    *,
    on_call: Callable[[TutorialCall], object] | None = None,
) -> TutorialCall:
    """Write an offer where pages of a tutorial look for it.

    :param session: not bound to a room; see :meth:`firertc.Client.join`.
    :param schema: ``calls`` or ``rooms``.
    :param on_call: given the call before it is written, to hear of its tracks.
    :returns: a call whose :attr:`TutorialCall.id` the other side needs, to await with
        :meth:`TutorialCall.answered`; close it in the end.
    :raises PermissionDenied: if the project hasn't opened these paths.
    """
    made = TutorialCall(session, _schema(schema), new_id(), media or Media(), "offerer")
    if on_call is not None:
        on_call(made)
    try:
        await made.place()
    except BaseException:
        await made.close()
        raise
    return made


async def answer(
    session: Session,
    schema: str,
    call_id: str,
    media: Media | None = None,
    *,
    wait_seconds: float = OFFER_WAIT_SECONDS,
    on_call: Callable[[TutorialCall], object] | None = None,
) -> TutorialCall:
    """Answer the offer that a page of a tutorial has written, or is about to.

    :param session: not bound to a room; see :meth:`firertc.Client.join`.
    :param schema: ``calls`` or ``rooms``.
    :param call_id: what the page shows.
    :param wait_seconds: how long the offer may take to appear.
    :param on_call: given the call before it connects, to hear of its tracks.
    :returns: a connected call; close it in the end.
    :raises CodeUnknown: if there is no offer by then.
    :raises AnsweredElsewhere: if somebody else has answered.
    :raises PathUnreachable: if no network path opens.
    """
    taken = TutorialCall(
        session, _schema(schema), checked_id(call_id), media or Media(), "answerer"
    )
    if on_call is not None:
        on_call(taken)
    try:
        await taken.take(wait_seconds)
    except BaseException:
        await taken.close()
        raise
    return taken


def new_id() -> str:
    """A random document id."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(ID_CHARS))


def checked_id(text: str) -> str:
    """A document id that somebody typed.

    :raises ConfigError: if it can't be one.
    """
    call_id = text.strip()
    if not 0 < len(call_id) <= 128 or not all(c.isascii() and c.isalnum() for c in call_id):
        raise ConfigError(
            f"{text[:40]!r} is no id of a call: those are {ID_CHARS} letters and digits, as the "
            "other side shows them."
        )
    return call_id


def _schema(name: str) -> Schema:
    if name not in SCHEMAS:
        raise ConfigError(f"There is no schema {name!r}: {' or '.join(SCHEMAS)}.")
    return SCHEMAS[name]


def _sdp(fields: Mapping[str, Any], name: str, path: str) -> str | None:
    """The SDP in a field; None without the field."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, Mapping) or value.get("type") != name:
        raise DocumentMalformed(f"{path}: field {name!r} must be a map with type {name!r}.")
    sdp = value.get("sdp")
    if not isinstance(sdp, str) or len(sdp) > SDP_CHARS:
        raise DocumentMalformed(f"{path}: {name}.sdp must be text of at most {SDP_CHARS}.")
    return sdp


def _elsewhere() -> AnsweredElsewhere:
    return AnsweredElsewhere("Somebody else has answered this call.")


def _closed_paths(schema: Schema, error: PermissionDenied) -> PermissionDenied:
    return PermissionDenied(
        f"{error} The paths of the tutorials ({schema.collection}/…) are closed unless the "
        "project opens them: let the function presets() in firestore.rules return true and deploy "
        "the rules, or start the local suite with 'firertc up --presets'."
    )
