# mypy: ignore-errors
"""A data channel from the command line, in the style of aiortc's example of that name."""

import argparse
import asyncio
import signal
import time

from aiortc import RTCConfiguration, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription

from firertc.compat.aiortc import BYE, add_signaling_arguments, create_signaling


def channel_log(channel, t, message):
    print(f"channel({channel.label}) {t} {message}", flush=True)


def channel_send(channel, message):
    channel_log(channel, ">", message)
    channel.send(message)


async def consume_signaling(pc, signaling):
    while True:
        obj = await signaling.receive()
        if isinstance(obj, RTCSessionDescription):
            await pc.setRemoteDescription(obj)
            if obj.type == "offer":
                await pc.setLocalDescription(await pc.createAnswer())
                await signaling.send(pc.localDescription)
        elif isinstance(obj, RTCIceCandidate):
            await pc.addIceCandidate(obj)
        elif obj is BYE:
            print("Exiting", flush=True)
            break


async def run_answer(pc, signaling):
    await signaling.connect()

    @pc.on("datachannel")
    def on_datachannel(channel):
        channel_log(channel, "-", "created by remote party")

        @channel.on("message")
        def on_message(message):
            channel_log(channel, "<", message)
            if isinstance(message, str) and message.startswith("ping"):
                channel_send(channel, "pong" + message[4:])

    await consume_signaling(pc, signaling)


async def run_offer(pc, signaling):
    await signaling.connect()
    channel = pc.createDataChannel("chat")
    channel_log(channel, "-", "created by local party")
    start = time.monotonic()

    async def send_pings():
        while True:
            channel_send(channel, f"ping {time.monotonic() - start:.3f}")
            await asyncio.sleep(0.2)

    @channel.on("open")
    def on_open():
        asyncio.ensure_future(send_pings())  # noqa: RUF006

    @channel.on("message")
    def on_message(message):
        channel_log(channel, "<", message)

    await pc.setLocalDescription(await pc.createOffer())
    await signaling.send(pc.localDescription)
    await consume_signaling(pc, signaling)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Data channels ping/pong")
    parser.add_argument("role", choices=["offer", "answer"])
    add_signaling_arguments(parser)
    args = parser.parse_args()

    signaling = create_signaling(args)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    coro = (run_offer if args.role == "offer" else run_answer)(pc, signaling)
    # A KeyboardInterrupt in the middle of aiortc's own tasks can keep pc.close() waiting for ever.
    running = loop.create_task(coro)
    loop.add_signal_handler(signal.SIGINT, running.cancel)
    try:
        loop.run_until_complete(running)
    except asyncio.CancelledError:
        pass
    finally:
        loop.run_until_complete(pc.close())
        loop.run_until_complete(signaling.close())
