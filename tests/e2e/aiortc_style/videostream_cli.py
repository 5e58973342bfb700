# mypy: ignore-errors
"""A video stream from the command line, in the style of aiortc's example of that name."""

import argparse
import asyncio
import signal

import numpy
from aiortc import (
    RTCConfiguration,
    RTCIceCandidate,
    RTCPeerConnection,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.contrib.media import MediaBlackhole, MediaRecorder
from av import VideoFrame

from firertc.compat.aiortc import BYE, FirestoreSignaling


class FlagVideoStreamTrack(VideoStreamTrack):
    """Three fields of colour: blue, white, red."""

    def __init__(self):
        super().__init__()
        picture = numpy.zeros((240, 320, 3), numpy.uint8)
        for column, colour in enumerate([(0, 0, 255), (255, 255, 255), (255, 0, 0)]):
            picture[:, column * 320 // 3 : (column + 1) * 320 // 3] = colour
        self.picture = picture

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame.from_ndarray(self.picture, format="rgb24")
        frame.pts = pts
        frame.time_base = time_base
        return frame


async def run(pc, recorder, signaling, role):
    @pc.on("track")
    def on_track(track):
        print(f"Receiving {track.kind}", flush=True)
        recorder.addTrack(track)

    await signaling.connect()
    if role == "offer":
        pc.addTrack(FlagVideoStreamTrack())
        await pc.setLocalDescription(await pc.createOffer())
        await signaling.send(pc.localDescription)

    while True:
        obj = await signaling.receive()
        if isinstance(obj, RTCSessionDescription):
            await pc.setRemoteDescription(obj)
            await recorder.start()
            if obj.type == "offer":
                pc.addTrack(FlagVideoStreamTrack())
                await pc.setLocalDescription(await pc.createAnswer())
                await signaling.send(pc.localDescription)
        elif isinstance(obj, RTCIceCandidate):
            await pc.addIceCandidate(obj)
        elif obj is BYE:
            print("Exiting", flush=True)
            break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Video stream from the command line")
    parser.add_argument("role", choices=["offer", "answer"])
    parser.add_argument("--record-to")
    args = parser.parse_args()

    signaling = FirestoreSignaling()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    recorder = MediaRecorder(args.record_to) if args.record_to else MediaBlackhole()
    # A KeyboardInterrupt in the middle of aiortc's own tasks can keep pc.close() waiting for ever.
    running = loop.create_task(run(pc, recorder, signaling, args.role))
    loop.add_signal_handler(signal.SIGINT, running.cancel)
    try:
        loop.run_until_complete(running)
    except asyncio.CancelledError:
        pass
    finally:
        loop.run_until_complete(recorder.stop())
        loop.run_until_complete(signaling.close())
        loop.run_until_complete(pc.close())
