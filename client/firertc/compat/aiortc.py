"""Signaling over Firestore for programs in the style of aiortc's command-line examples.

One line changes: what makes ``signaling``. ::

    signaling = FirestoreSignaling()        # where create_signaling(args) was

Or the import alone: :func:`add_signaling_arguments` and :func:`create_signaling` here know
``firestore``, the default, beside what aiortc's own know.

The side that offers makes a code and shows it; the side that answers is given it, in
``FIRERTC_CODE``, as an argument or at a prompt. What is written is sealed with the code.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from aiortc import RTCIceCandidate, RTCSessionDescription
from aiortc.contrib import signaling as original
from aiortc.contrib.signaling import (
    BYE,
    BaseSignaling,
    SignalingBye,
    object_from_string,
    object_to_string,
)
from aiortc.sdp import candidate_from_sdp, candidate_to_sdp

from ..client import Client
from ..config import Config
from ..errors import (
    AnsweredElsewhere,
    ConfigError,
    DocumentMalformed,
    FireRTCError,
    NoAnswer,
    ProtocolError,
)
from ..schema import LEASE_SLACK_SECONDS, Call, caller_path, one_off_path, parse_json
from ..sealing import new_code, normalize_code, stretch_aside
from ..signaling import CallDocument, Part, Terms, unknown_code

__all__ = [
    "BYE",
    "BaseSignaling",
    "FirestoreSignaling",
    "add_signaling_arguments",
    "create_signaling",
    "object_from_string",
    "object_to_string",
]

CODE_VARIABLE: Final = "FIRERTC_CODE"
WAIT_SECONDS: Final = 600.0
LEASE_SECONDS: Final = 900.0
"""How long the document is good for at a time, while both sides are connected."""
RENEW_SECONDS: Final = 300.0

Message = RTCSessionDescription | RTCIceCandidate | SignalingBye


class FirestoreSignaling(BaseSignaling):
    """An offer, its answer and candidates by way of one sealed document.

    :param code: the code of the side that waits; default: ``FIRERTC_CODE``. Without one, whoever
        sends an offer makes a code, and whoever receives first is asked for it.
    :param config: default: what :func:`firertc.load_config` finds.
    :param server_token: made by the realm's own server, where keys alone don't let anybody in.
    :param wait_seconds: how long an offer waits for its answer; at most 1,800.
    :param on_code: told the code that was made, once somebody can come; default: standard error.
    """

    def __init__(
        self,
        code: str | None = None,
        *,
        config: Config | None = None,
        server_token: str | None = None,
        wait_seconds: float = WAIT_SECONDS,
        on_code: Callable[[str], object] | None = None,
    ) -> None:
        code = code or os.environ.get(CODE_VARIABLE)
        self.code = normalize_code(code) if code else ""
        """The code, once there is one."""
        self._client = Client(config, server_token=server_token)
        self._wait_seconds = wait_seconds
        self._on_code = on_code or _show_code
        self._document: CallDocument | None = None
        self._side: Part | None = None
        self._call: Call | None = None
        """As read, for the answerer."""
        self._written = False
        self._answered = False
        self._over = False
        self._inbox: asyncio.Queue[Message | FireRTCError | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> dict[str, str]:  # type: ignore[override]  # apprtc's gave this
        """Join, if there is a code already.

        :returns: ``is_initiator``: ``"false"`` if somebody waits at the code, else ``"true"``: the
            words of apprtc's signaling, whose example asks for them.
        :raises FireRTCError: if joining fails.
        """
        waits = False
        if self.code:
            document = await self._open(self.code)
            call = await document.read()
            waits = call is not None and call.open
        return {"is_initiator": "false" if waits else "true"}

    async def send(self, descr: Message | None) -> None:
        """Write a description, a candidate (None: there are no more) or the end.

        :raises AnsweredElsewhere: if somebody else answered before us.
        :raises ProtocolError: if it doesn't fit: a second offer, an answer to none.
        :raises PermissionDenied: if the rules refuse it.
        """
        if isinstance(descr, RTCSessionDescription):
            await (self._offer if descr.type == "offer" else self._answer)(descr)
        elif isinstance(descr, SignalingBye):
            await self._bye()
        elif self._document is None or self._side is None:
            raise ProtocolError("Send the offer or the answer before its candidates.")
        else:
            text = _candidate_text(descr)
            await self._document.add_candidates(self._side, [text], self._call)

    async def receive(self) -> Message | None:
        """The other side's next description or candidate; ``BYE`` once it is gone, and from then
        on; None: it has no more candidates.

        :raises CodeUnknown: if nobody waits at the code.
        :raises AnsweredElsewhere: if somebody has answered before us.
        :raises NoAnswer: if nobody answers our offer in time.
        """
        if self._over:
            return BYE
        if self._side is None:
            await self._take_offer()
        item = await self._next()
        if isinstance(item, FireRTCError):
            self._over = True
            raise item
        if item is BYE:
            self._over = True
        return item

    async def close(self) -> None:
        """Say goodbye, delete the document, and leave."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._document is not None and self._written:
            self._written = False
            # The other side reads an end into a document that is gone.
            await self._document.discard()
        await self._client.close()

    async def _open(self, code: str) -> CallDocument:
        if self._document is None:
            seal = await stretch_aside(code, self._client.config.project)
            session = await self._client.join(call=seal.call)
            counter = None if session.keyed else caller_path(session.realm, session.peer)
            path = one_off_path(session.realm, seal.call)
            self._document = CallDocument(session, path, seal, counter=counter)
        return self._document

    async def _offer(self, description: RTCSessionDescription) -> None:
        if self._side is not None:
            raise ProtocolError(
                "One signaling carries one offer and one answer: make another one to negotiate "
                "again."
            )
        self._side = "offer"
        made = self.code or new_code()
        document = await self._open(made)
        terms = Terms("open", self._wait_seconds + LEASE_SLACK_SECONDS)
        self._written = True
        await document.publish(document.offer_change(terms, description.sdp))
        self.code = made
        self._on_code(made)
        self._start(self._follow(document, None))

    async def _answer(self, description: RTCSessionDescription) -> None:
        if self._document is None or self._call is None or self._answered:
            raise ProtocolError("There is no offer that this could answer.")
        change = self._document.answer_change(self._call, description.sdp)
        await self._document.answer(change)
        self._written = self._answered = True

    async def _take_offer(self) -> None:
        if not self.code:
            self.code = normalize_code(await _ask())
        self._side = "answer"
        document = await self._open(self.code)
        call = await document.read()
        if call is None or call.ended is not None:
            raise unknown_code()
        if call.lease_until.timestamp() < document.session.now():
            raise unknown_code()
        if not call.open:
            raise AnsweredElsewhere("Somebody else has answered this call.")
        self._call = call
        sdp = document.description("offer", call)
        self._inbox.put_nowait(RTCSessionDescription(sdp=sdp, type="offer"))
        self._start(self._follow(document, call))

    async def _next(self) -> Message | FireRTCError | None:
        if self._side == "answer" or self._answered:
            return await self._inbox.get()
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await self._inbox.get()
        except TimeoutError:
            return NoAnswer(f"Nobody answered within {self._wait_seconds:.0f} s.")

    async def _bye(self) -> None:
        self._over = True
        if self._document is not None and self._written:
            with contextlib.suppress(FireRTCError):
                # It may be over already, by the other side.
                await self._document.end("hangup")

    async def _follow(self, document: CallDocument, taken: Call | None) -> None:
        """Put what the other side writes into the inbox."""
        theirs: Part = "answer" if taken is None else "offer"
        seen = 0
        try:
            listener = document.listen()
            try:
                async for call in document.calls(listener):
                    if call is None or call.ended is not None:
                        break
                    if taken is not None and call.sender_session != taken.sender_session:
                        break
                    if taken is None and call.answer is None:
                        continue
                    if taken is None and not self._answered:
                        self._answered = True
                        sdp = document.description("answer", call)
                        self._inbox.put_nowait(RTCSessionDescription(sdp=sdp, type="answer"))
                        self._start(self._renew(document))
                    candidates = document.candidates(theirs, call)
                    for text in candidates[seen:]:
                        self._inbox.put_nowait(_candidate(text))
                    seen = len(candidates)
            finally:
                listener.close()
        except FireRTCError as error:
            self._inbox.put_nowait(error)
        else:
            self._inbox.put_nowait(BYE)

    async def _renew(self, document: CallDocument) -> None:
        """Keep the document while both sides use it: its end would be read as theirs."""
        with contextlib.suppress(FireRTCError):
            while True:
                await document.renew(LEASE_SECONDS)
                await asyncio.sleep(RENEW_SECONDS)

    def _start(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work, name="firertc-signaling"))


def add_signaling_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of :func:`create_signaling`: aiortc's own, and ``--signaling firestore``."""
    parser.add_argument(
        "--signaling",
        "-s",
        choices=["firestore", "copy-and-paste", "tcp-socket", "unix-socket"],
        default="firestore",
        help=f"Signaling method; firestore takes the code of the other side from {CODE_VARIABLE}, "
        "or asks for it",
    )
    parser.add_argument(
        "--signaling-host", default="127.0.0.1", help="Signaling host (tcp-socket only)"
    )
    parser.add_argument("--signaling-port", default=1234, help="Signaling port (tcp-socket only)")
    parser.add_argument(
        "--signaling-path",
        default="aiortc.socket",
        help="Signaling socket path (unix-socket only)",
    )


def create_signaling(args: argparse.Namespace) -> BaseSignaling:
    """Make what the options of :func:`add_signaling_arguments` say.

    :raises ConfigError: if no project is set for ``firestore``.
    """
    if args.signaling in (None, "firestore"):
        return FirestoreSignaling()
    return original.create_signaling(args)


def _show_code(code: str) -> None:
    print(f"code: {code}", file=sys.stderr, flush=True)


async def _ask() -> str:
    """The code, from standard input.

    A thread that is left alone at the end reads it: nothing else can stop waiting for a line.
    """
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[str] = loop.create_future()

    def put(line: str) -> None:
        if not answered.done():
            answered.set_result(line)

    def read() -> None:
        line = sys.stdin.readline()
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(put, line)

    if sys.stdin.isatty():
        print("code of the other side: ", end="", file=sys.stderr, flush=True)
    threading.Thread(target=read, name="firertc-code", daemon=True).start()
    line = (await answered).strip()
    if not line:
        raise ConfigError(
            f"No code: set {CODE_VARIABLE}, or write the other side's code on standard input."
        )
    return line


def _candidate_text(candidate: RTCIceCandidate | None) -> str:
    if candidate is None:
        return json.dumps({"candidate": ""})
    return json.dumps(
        {
            "candidate": f"candidate:{candidate_to_sdp(candidate)}",
            "sdpMid": candidate.sdpMid,
            "sdpMLineIndex": candidate.sdpMLineIndex,
        }
    )


def _candidate(text: str) -> RTCIceCandidate | None:
    try:
        content = parse_json(text)
        line = content["candidate"]
        if not line:
            return None
        candidate = candidate_from_sdp(line.split(":", 1)[1])
        candidate.sdpMid = content.get("sdpMid")
        candidate.sdpMLineIndex = content.get("sdpMLineIndex")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError):
        raise DocumentMalformed("The other side wrote a candidate that is none.") from None
    return candidate
