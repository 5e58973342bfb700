"""One call from the terminal: media, recording, chat, what is shown of it, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..call import Call, Media
from ..client import Client
from ..config import Config
from ..errors import FireRTCError, MediaError, NoAnswer, PeerGone, ProtocolError
from ..link import Link, LinkEnd, LinkState
from ..negotiation import CallState
from ..resuming import BACK_SECONDS
from ..timing import Timing
from .running import say
from .tables import printable

if TYPE_CHECKING:
    from aiortc import MediaStreamTrack

    from ..media import Source
    from ..recording import Recorder

RTT_WAIT_SECONDS = 0.5
"""How long the line that says the path waits for the first round trip."""


@dataclass(frozen=True)
class Plan:
    """What the person asked for."""

    play: str | None = None
    """What to send: see :func:`firertc.open_source`; None: nothing."""
    record: str | None = None
    """File to record the other side to."""
    chat: bool = False
    """Lines from standard input are sent, those that arrive go to standard output."""
    audio: bool = True
    video: bool = True
    loop: bool = False
    """Play a file again and again."""
    stay: bool = False
    """Stay when all has been sent, until the other side hangs up."""
    as_json: bool = False
    """One JSON event per line on standard output."""
    verbose: bool = False
    dump_timing: Path | None = None
    server_token: str | None = None


Connect = Callable[["Conversation", Client, Media], Awaitable[Call]]
"""Makes the call: given the conversation, a client and the media, returns a connected call."""


class Conversation:
    """Runs one call to its end."""

    def __init__(self, config: Config, plan: Plan) -> None:
        self.config = config
        self.plan = plan
        self.timing = Timing()
        self._source: Source | None = None
        self._recorder: Recorder | None = None
        self._drains: list[asyncio.Task[None]] = []
        self._waiting: Call | None = None
        self._call: Call | None = None
        """The call that stands."""
        self._stands = asyncio.Event()
        self._away = False
        """Whether the other side's page is being loaded again."""
        self._broke_at = 0.0

    async def run(self, connect: Connect) -> None:
        """Make the call, carry it to its end, and leave nothing behind.

        :raises FireRTCError: whatever keeps it from coming about or ends it before its time.
        """
        client: Client | None = None
        error: BaseException | None = None
        try:
            media = await self._media()
            client = Client(self.config, server_token=self.plan.server_token)
            client.on_outage = self._outage
            call = await connect(self, client, media)
            await self._talk(client, call)
        except BaseException as caught:
            error = caught
            raise
        finally:
            await self._finish(client, error)

    def watch(self, call: Call) -> Call:
        """Take the call's tracks as they come, from before it connects."""
        self._take_tracks(call)
        self._waiting = call
        return call

    # What is shown.

    def event(self, name: str, text: str | None, **details: Any) -> None:
        """Show something: JSON to standard output, or a line for the person."""
        if self.plan.as_json:
            line = json.dumps({"event": name, **details}, ensure_ascii=False)
            # Halves of surrogate pairs, which JSON may hold and no output takes, stay escaped.
            click.echo(line.encode("utf-8", "backslashreplace").decode())
        elif text is not None:
            say(printable(text))

    def code(self, code: str) -> None:
        """Show the code that somebody else must come with."""
        self.timing.mark("code shown")
        url = f"{self.config.page_url.rstrip('/')}#{code}" if self.config.page_url else ""
        self.event("code", None, code=code, url=url)
        if self.plan.as_json:
            return
        say(f"code: {code}")
        say(f"  the other side runs: firertc answer {code}   (or call: both connect)")
        if url:
            say(f"  or opens: {url}")
            if sys.stderr.isatty():
                import segno

                segno.make(url, error="l").terminal(out=sys.stderr, compact=True)

    def state(self, state: CallState) -> None:
        """Show where the call stands."""
        if self._away:
            return
        text = f"{state.value}…" if state is CallState.CONNECTING else None
        self.event("state", text, state=state.value)

    def _outage(self, down: bool) -> None:
        text = "the database does not answer, trying again…" if down else "the database is back"
        self.event("database", text, reachable=not down)

    # The call.

    async def _media(self) -> Media:
        from ..media import open_source
        from ..recording import Recorder

        plan = self.plan
        if plan.record is not None:
            self._recorder = Recorder(plan.record)
        sending: dict[str, MediaStreamTrack] = {}
        if plan.play is not None:
            self._source = await open_source(
                plan.play,
                audio=None if plan.audio else False,
                video=None if plan.video else False,
                loop=plan.loop,
            )
            for kind, track in (("audio", self._source.audio), ("video", self._source.video)):
                if track is not None:
                    sending[kind] = track
        kinds = {"audio"} if plan.audio else set()
        if plan.video:
            kinds.add("video")
        # The source is closed in the end: a page that is loaded again gets the same tracks.
        return Media(sending, frozenset(kinds), keep=True)

    def _take_tracks(self, call: Call) -> None:
        call.link.on("track", self._take_track)
        for track in call.link.tracks:
            self._take_track(track)

    def _take_track(self, track: MediaStreamTrack) -> None:
        if self._recorder is not None:
            self._recorder.add_track(track)
        else:
            from ..recording import drain

            self._drains.append(asyncio.create_task(drain(track)))

    async def _talk(self, client: Client, call: Call) -> None:
        if self._waiting is not call:
            self.watch(call)
        if self._recorder is not None:
            await self._recorder.start()
        finite: list[asyncio.Task[Any]] = []
        try:
            standing: Call | None = call
            while standing is not None:
                await self._begin(standing)
                if standing is call:
                    finite = self._send_finite()
                end = await self._until_ended(standing, finite)
                standing = await self._return(client, standing, end)
            self._show_end(end)
        finally:
            for task in finite:
                task.cancel()
            await asyncio.gather(*finite, return_exceptions=True)

    async def _begin(self, call: Call) -> None:
        """Show that a call stands, and what happens in it."""
        await self._show_path(call)
        call.link.on(
            "pulse", lambda pulse: self.event("pulse", self._pulse_text(pulse), pulse=pulse)
        )
        call.link.on("message", self._show_message)
        call.link.on("reconnecting", self._show_break)
        call.link.on("reconnected", self._show_return)
        call.link.on("closed", lambda end: self._stands.clear())
        self._call = call
        if call.link.state is not LinkState.CLOSED:
            self._stands.set()

    def _send_finite(self) -> list[asyncio.Task[Any]]:
        """Begin to send what has an end; it goes on in the next call if the other side returns."""
        finite: list[asyncio.Task[Any]] = []
        if self.plan.chat:
            finite.append(asyncio.create_task(self._sendlines()))
        if self._source is not None and self._is_finite():
            finite.append(asyncio.create_task(self._played()))
        return finite

    async def _until_ended(self, call: Call, finite: list[asyncio.Task[Any]]) -> LinkEnd:
        """Carry a call to its end."""
        closed = asyncio.create_task(call.closed())
        try:
            await self._until_over(finite, closed)
            if not closed.done():
                await call.close()
            return await closed
        finally:
            closed.cancel()
            await asyncio.gather(closed, return_exceptions=True)

    async def _return(self, client: Client, lost: Call, end: LinkEnd) -> Call | None:
        """Wait for the other side if its page may be being loaded again; None: the call is over."""
        if not lost.code or not end.may_return:
            return None
        self.event(
            "away",
            "the other side's page is closed, or being loaded again: waiting "
            f"{BACK_SECONDS:.0f} s…",
            seconds=BACK_SECONDS,
        )
        self._away = True
        try:
            return await client.resume(lost, on_call=self._take_tracks, on_state=self.state)
        except NoAnswer:
            return None
        finally:
            self._away = False

    async def _until_over(
        self, finite: list[asyncio.Task[Any]], closed: asyncio.Task[LinkEnd]
    ) -> None:
        """Until the other side hangs up, or all that is finite has been sent."""
        waiting = set(finite)
        while not closed.done():
            if finite and not waiting and not self.plan.stay:
                return
            done, _ = await asyncio.wait({closed, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {closed}:
                task.result()
            waiting -= done

    def _is_finite(self) -> bool:
        from ..opening import device_parts

        spec = self.plan.play or ""
        return spec != "test" and not device_parts(spec) and not self.plan.loop

    async def _played(self) -> None:
        if self._source is None:
            return
        await self._source.ended.wait()
        if self._source.error is not None:
            raise self._source.error
        # What was sent last is still on its way through the other side's jitter buffer.
        await asyncio.sleep(0.5)

    async def _sendlines(self) -> None:
        async for line in lines(sys.stdin):
            (await self._link()).send(line)
        while True:
            link = await self._link()
            try:
                await link.flush()
                return
            except PeerGone:
                if link.state is not LinkState.CLOSED or not (await link.closed()).may_return:
                    raise

    async def _link(self) -> Link:
        """The link of the call that stands, or of the next if the other side returns."""
        while True:
            await self._stands.wait()
            if self._call is not None and self._stands.is_set():
                return self._call.link

    def _show_message(self, body: Any) -> None:
        if self.plan.as_json:
            self.event("message", None, body=body)
        elif self.plan.chat:
            click.echo(printable(body if isinstance(body, str) else json.dumps(body)))

    async def _show_path(self, call: Call) -> None:
        wait = asyncio.get_running_loop().time() + RTT_WAIT_SECONDS
        while call.link.rtt_seconds is None and asyncio.get_running_loop().time() < wait:
            await asyncio.sleep(0.01)
        path = call.link.path()
        rtt = call.link.rtt_seconds
        kind = path.kind if path else "unknown"
        milliseconds = None if rtt is None else round(rtt * 1000, 1)
        self.event(
            "connected",
            f"connected: {kind} path to {path.address if path else '?'}, "
            f"round trip {milliseconds if milliseconds is not None else '?'} ms",
            path=kind,
            address=path.address if path else None,
            rtt_ms=milliseconds,
            remote=call.remote,
        )

    def _show_break(self, reason: str) -> None:
        self._broke_at = time.monotonic()
        self.event("reconnecting", "connection lost, getting it back…", reason=reason)

    def _show_return(self) -> None:
        seconds = round(time.monotonic() - self._broke_at, 1)
        self.event("reconnected", f"back after {seconds:.0f} s", seconds=seconds)

    @staticmethod
    def _pulse_text(pulse: str) -> str | None:
        return {"suspect": "the other side is silent…", "alive": "the other side is back"}.get(
            pulse
        )

    def _show_end(self, end: LinkEnd) -> None:
        who = "the other side" if end.by_remote else "we"
        text = f"ended: {who} hung up" if end.reason == "hangup" else f"ended: {end.reason}"
        if end.may_return:
            text = "ended: the other side closed its page"
        self.event("ended", text, reason=end.reason, by_remote=end.by_remote)
        if end.reason in ("gone", "failed"):
            raise PeerGone("The other side vanished: its connection broke and did not come back.")
        if end.reason == "protocol-error":
            raise ProtocolError("The other side sent something that makes no sense; hung up.")

    # The way out.

    async def _finish(self, client: Client | None, error: BaseException | None) -> None:
        for task in self._drains:
            task.cancel()
        if client is not None:
            await client.close()
            if self.plan.verbose or self.plan.as_json:
                operations = client.operations.as_dict()
                shown = ", ".join(f"{name} {count}" for name, count in operations.items())
                self.event("operations", f"database: {shown}", **operations)
        if self._source is not None:
            await self._source.close()
        try:
            if self._recorder is not None:
                await self._report_recording(self._recorder)
        except MediaError:
            # Why the call failed matters more than that its recording did, too.
            if error is None:
                raise
        finally:
            self._dump_timing(client, error)

    async def _report_recording(self, recorder: Recorder) -> None:
        recorded = await recorder.stop()
        if recorded.empty:
            self.event("recorded", "nothing was recorded: no frame came", path=None)
            return
        self.event(
            "recorded",
            f"recorded: {recorded.path}, {recorded.duration_seconds:.1f} s, "
            f"{recorded.video_frames} frames, {recorded.audio_seconds:.1f} s of sound",
            path=str(recorded.path),
            video_frames=recorded.video_frames,
            audio_seconds=round(recorded.audio_seconds, 3),
            seconds=round(recorded.duration_seconds, 3),
        )

    def _dump_timing(self, client: Client | None, error: BaseException | None) -> None:
        if self.plan.dump_timing is None:
            return
        call = self._waiting
        timing = call.timing if call is not None else self.timing
        path = call.link.path() if call is not None else None
        content = {
            **timing.as_dict(),
            "states": [state.value for state in call.states] if call is not None else [],
            "path": path.kind if path else None,
            "rtt_ms": None
            if call is None or call.link.rtt_seconds is None
            else round(call.link.rtt_seconds * 1000, 2),
            "operations": client.operations.as_dict() if client is not None else None,
            "error": getattr(error, "code", None) if isinstance(error, FireRTCError) else None,
        }
        try:
            self.plan.dump_timing.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
        except OSError as reason:
            say(f"firertc: {self.plan.dump_timing} can't be written: {reason.strerror}")


async def lines(stream: Any) -> Any:
    """The lines of a stream, without their ends; reading blocks only a thread of its own."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    def hand_over(line: str | None) -> None:
        # The loop may have ended while this thread waited for input.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(queue.put_nowait, line)

    def read() -> None:
        try:
            for line in getattr(stream, "buffer", stream):
                text = line if isinstance(line, str) else line.decode("utf-8", "replace")
                hand_over(text.rstrip("\r\n"))
        except (OSError, ValueError):
            pass
        hand_over(None)

    threading.Thread(target=read, name="firertc-stdin", daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line
