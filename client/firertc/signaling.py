"""The tutorial's flow on one document: an offer, its answer, candidates of both sides, an end.

:class:`CallDocument` is one side's view of one call in the database. It writes only what the rules
    let this side write, seals and opens what a code seals, and never takes from the document what
    the other side could not have written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from . import schema
from .database import Change, Create, Delete, Replace, Update
from .errors import (
    AnsweredElsewhere,
    CodeUnknown,
    DocumentMalformed,
    FireRTCError,
    NoAnswer,
    PermissionDenied,
    SealBroken,
)
from .negotiation import answer_outcome
from .schema import ANYONE, Call, CallKind
from .sealing import Context, Seal
from .session import Session
from .snapshots import Listener
from .values import SERVER_TIME, Append

Part = Literal["offer", "answer"]

DISCARD_SECONDS = 5.0
"""How long the way out waits for the database; after that the lease deletes the document."""


@dataclass(frozen=True)
class Terms:
    """What kind of offer, to whom, for how long."""

    kind: CallKind
    lease_seconds: float
    """How long the document is good for."""
    receiver: str = ANYONE
    receiver_session: str = ""
    attempt: int = 0
    metadata: Any = None
    """Any JSON value, for the other side to read before it answers."""
    replace: bool = False
    """The slot may hold an older call of ours."""


class CallDocument:
    """One call's document.

    :param session: who we are.
    :param path: from ``realms/`` on.
    :param seal: opens and closes what is in it; None: it is not sealed.
    :param rule_reads: documents the rules read when we write an offer or an answer here.
    :param counter: path of the document that must name a one-off call for it to be created, where
        the session's token doesn't; it comes and goes with the call.
    """

    def __init__(
        self,
        session: Session,
        path: str,
        seal: Seal | None = None,
        *,
        rule_reads: int = 0,
        counter: str | None = None,
    ) -> None:
        self.session = session
        self.path = path
        self.seal = seal
        self.rule_reads = rule_reads
        self._counter = counter
        self._receiver = (ANYONE, "")

    # The offerer's side.

    def offer_change(self, terms: Terms, sdp: str) -> Create | Replace:
        """The write of an offer, for a commit of one's own."""
        self._receiver = (terms.receiver, terms.receiver_session)
        fields: dict[str, Any] = {
            "v": schema.PROTOCOL_VERSION,
            "kind": terms.kind,
            "from": self.session.peer,
            "fromSession": self.session.session,
            "to": terms.receiver,
            "toSession": terms.receiver_session,
            "attempt": terms.attempt,
            "offer": self._sealed_description("offer", sdp),
            "createdAt": SERVER_TIME,
            "leaseUntil": schema.timestamp(self.session.now() + terms.lease_seconds),
            "shard": schema.new_shard(),
        }
        if terms.metadata is not None:
            text = schema.json_text(terms.metadata, limit=schema.METADATA_CHARS, what="metadata")
            fields["metadata"] = self._close("metadata", text)
            schema.check_chars(fields["metadata"], schema.METADATA_CHARS, "sealed metadata")
        return Replace(self.path, fields) if terms.replace else Create(self.path, fields)

    async def publish(self, change: Create | Replace) -> None:
        """Write an offer.

        :raises PermissionDenied: if the rules refuse it.
        """
        changes: list[Change] = [change]
        if self._counter is not None:
            counter = {
                "call": self.path.rsplit("/", 1)[1],
                "leaseUntil": change.fields["leaseUntil"],
                "shard": schema.new_shard(),
            }
            changes.append(Replace(self._counter, counter))
        try:
            await self.session.database.commit(*changes, rule_reads=self.rule_reads)
        except PermissionDenied:
            # A reply that was lost makes a repeated creation fail: then the document is ours.
            call = await self.read()
            if call is None or call.sender_session != self.session.session:
                raise

    async def renew(self, lease_seconds: float) -> None:
        """Prolong the lease of an offer that still waits."""
        lease = schema.timestamp(self.session.now() + lease_seconds)
        await self.session.database.commit(Update(self.path, {"leaseUntil": lease}))

    # The answerer's side.

    def answer_change(self, call: Call, sdp: str) -> Update:
        """The write of an answer, for a commit of one's own.

        :param call: as read when the offer was taken.
        """
        self._receiver = (call.receiver, call.receiver_session)
        fields: dict[str, Any] = {"answer": self._sealed_description("answer", sdp, call)}
        if call.receiver == ANYONE:
            fields |= {"to": self.session.peer, "toSession": self.session.session}
        return Update(self.path, fields)

    async def answer(self, change: Update) -> None:
        """Write an answer.

        :raises AnsweredElsewhere: if somebody else did first.
        :raises NoAnswer: if the caller has given up meanwhile.
        :raises PermissionDenied: if the rules refuse it for another reason.
        """
        me = self.session
        try:
            await me.database.commit(change, rule_reads=self.rule_reads)
        except PermissionDenied:
            outcome = answer_outcome(await self.read(), me.peer, me.session)
            if outcome == "elsewhere":
                raise AnsweredElsewhere("Somebody else answered this call first.") from None
            if outcome == "gone":
                raise NoAnswer(
                    "The call is over: the caller gave up, or somebody else answered."
                ) from None
            if outcome == "retry":
                raise

    # Both sides.

    async def read(self) -> Call | None:
        """The document as it is; None if there is none, or it is closed to us.

        :raises DocumentMalformed: if it makes no sense.
        """
        try:
            fields = await self.session.database.get(self.path)
        except PermissionDenied:
            return None
        return None if fields is None else schema.read_call(self.path, fields)

    def listen(self) -> Listener:
        """Listen to the document; read what comes with :meth:`calls`."""
        return self.session.snapshots.listen(self.path)

    async def calls(self, listener: Listener) -> AsyncIterator[Call | None]:
        """The document's states as they come; None once it is gone.

        :raises DocumentMalformed: if it makes no sense.
        """
        async for snapshot in listener:
            fields = snapshot.documents.get(self.path)
            yield None if fields is None else schema.read_call(self.path, fields)

    async def add_candidates(
        self, part: Part, texts: Iterable[str], call: Call | None = None
    ) -> None:
        """Append candidates of ours.

        :param part: which side we are: the one of the offer or of the answer.
        :param texts: JSON texts, the end mark last.
        :param call: the call as read, for the answerer.
        """
        name = f"{part}Candidates"
        entries = [self._close(name, text, call) for text in texts][-schema.CANDIDATES_MAX :]
        await self.session.database.commit(Update(self.path, {name: Append(entries)}))

    async def end(self, reason: str) -> None:
        """Say that the call is over before it connected, and why."""
        ended = {"by": self.session.peer, "reason": reason[: schema.REASON_CHARS]}
        await self.session.database.commit(Update(self.path, {"ended": ended}))

    async def delete(self) -> None:
        """Delete the document."""
        changes: list[Change] = [Delete(self.path)]
        if self._counter is not None:
            changes.append(Delete(self._counter))
        await self.session.database.commit(*changes)

    async def discard(self, patience_seconds: float = DISCARD_SECONDS) -> None:
        """Delete the document if that is possible; else its lease ends it.

        For the way out: whatever goes wrong here must not hide why we are leaving.
        """
        try:
            async with asyncio.timeout(patience_seconds):
                await self.delete()
        except (FireRTCError, TimeoutError):
            return

    # What is inside.

    def description(self, part: Part, call: Call) -> str:
        """The SDP of the offer or the answer.

        :raises SealBroken: if it is sealed and doesn't open, or should be sealed and isn't.
        :raises DocumentMalformed: if there is none.
        """
        value = call.offer if part == "offer" else call.answer
        if value is None:
            raise DocumentMalformed(f"{call.path}: there is no {part}.")
        return self._open(part, value, call)

    def candidates(self, part: Part, call: Call) -> list[str]:
        """The other side's candidates so far, as JSON texts.

        :raises SealBroken: if one is sealed and doesn't open.
        """
        entries = call.offer_candidates if part == "offer" else call.answer_candidates
        if self.seal is None:
            return list(entries)
        name = f"{part}Candidates"
        return [self.seal.open(entry, self._context(name, call)) for entry in entries]

    def metadata(self, call: Call) -> str | None:
        """What the offerer said with the call, as JSON text; None: nothing.

        :raises SealBroken: if it is sealed and doesn't open.
        """
        if call.metadata is None or self.seal is None:
            return call.metadata
        return self.seal.open(call.metadata, self._context("metadata", call))

    def _sealed_description(
        self, part: Part, sdp: str, call: Call | None = None
    ) -> Mapping[str, str]:
        if self.seal is None:
            return {"type": part, "sdp": sdp}
        return {"type": part, "sealed": self.seal.close(sdp, self._context(part, call))}

    def _open(self, part: Part, value: Mapping[str, str], call: Call) -> str:
        if self.seal is None:
            if "sdp" not in value:
                raise SealBroken(
                    "The call is sealed: it can only be answered with its code, or its room's "
                    "passphrase."
                )
            return value["sdp"]
        if "sealed" not in value:
            if not self.seal.call:
                raise SealBroken("The call is not sealed, though its room is: who wrote it?")
            raise SealBroken(
                "The call is not sealed, though its code promises it: somebody else wrote it. "
                "Hang up and make a new code."
            )
        return self.seal.open(value["sealed"], self._context(part, call))

    def _close(self, name: str, text: str, call: Call | None = None) -> str:
        return text if self.seal is None else self.seal.close(text, self._context(name, call))

    def _context(self, name: str, call: Call | None) -> Context:
        """Who said it to whom: what the offerer says to an open call is said to anyone."""
        from_offerer = name in ("offer", "offerCandidates", "metadata")
        if call is None:
            sender, sender_session = self.session.peer, self.session.session
            receiver, receiver_session = self._receiver
        else:
            sender, sender_session = call.sender, call.sender_session
            receiver, receiver_session = self._addressee(call, from_offerer)
        return Context(self.path, name, sender, sender_session, receiver, receiver_session)

    def _addressee(self, call: Call, from_offerer: bool) -> tuple[str, str]:
        if call.kind in ("open", "standing"):
            if from_offerer:
                return ANYONE, ""
            if call.receiver == ANYONE:
                return self.session.peer, self.session.session
        return call.receiver, call.receiver_session


def unknown_code() -> CodeUnknown:
    """Nobody waits at a code."""
    return CodeUnknown(
        "Nobody waits at this code: it is mistyped, used or expired. Ask for a new one."
    )
