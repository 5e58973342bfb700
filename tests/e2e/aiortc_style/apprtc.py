# mypy: ignore-errors
"""One program for both sides, which asks its signaling who begins, in the style of aiortc's
example for AppRTC."""

import argparse
import asyncio
import signal

from aiortc import RTCConfiguration, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRecorder
from aiortc.mediastreams import AudioStreamTrack
from videostream_cli import FlagVideoStreamTrack

from firertc.compat.aiortc import BYE, FirestoreSignaling


async def run(pc, recorder, signaling):
    def add_tracks():
        pc.addTrack(AudioStreamTrack())
        pc.addTrack(FlagVideoStreamTrack())

    @pc.on("track")
    def on_track(track):
        print(f"Track {track.kind} received", flush=True)
        recorder.addTrack(track)

    params = await signaling.connect()
    if params["is_initiator"] == "true":
        add_tracks()
        await pc.setLocalDescription(await pc.createOffer())
        await signaling.send(pc.localDescription)

    while True:
        obj = await signaling.receive()
        if isinstance(obj, RTCSessionDescription):
            await pc.setRemoteDescription(obj)
            await recorder.start()
            if obj.type == "offer":
                add_tracks()
                await pc.setLocalDescription(await pc.createAnswer())
                await signaling.send(pc.localDescription)
        elif isinstance(obj, RTCIceCandidate):
            await pc.addIceCandidate(obj)
        elif obj is BYE:
            print("Exiting", flush=True)
            break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="AppRTC")
    parser.add_argument("--record-to", required=True)
    args = parser.parse_args()

    signaling = FirestoreSignaling()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    recorder = MediaRecorder(args.record_to)
    # A KeyboardInterrupt in the middle of aiortc's own tasks can keep pc.close() waiting for ever.
    running = loop.create_task(run(pc, recorder, signaling))
    loop.add_signal_handler(signal.SIGINT, running.cancel)
    try:
        loop.run_until_complete(running)
    except asyncio.CancelledError:
        pass
    finally:
        loop.run_until_complete(recorder.stop())
        loop.run_until_complete(signaling.close())
        loop.run_until_complete(pc.close())
