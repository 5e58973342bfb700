# mypy: ignore-errors
"""A file over a data channel, in the style of aiortc's example of that name."""

import argparse
import asyncio
import time

from aiortc import RTCConfiguration, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription

from firertc.compat.aiortc import BYE, add_signaling_arguments, create_signaling


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


async def run_answer(pc, signaling, filename):
    await signaling.connect()
    fp = open(filename, "wb")  # noqa: SIM115

    @pc.on("datachannel")
    def on_datachannel(channel):
        start = time.time()
        octets = 0

        @channel.on("message")
        async def on_message(message):
            nonlocal octets
            if message:
                octets += len(message)
                fp.write(message)
            else:
                fp.close()
                print(f"received {octets} bytes in {time.time() - start:.1f} s", flush=True)
                await signaling.send(BYE)

    await consume_signaling(pc, signaling)


async def run_offer(pc, signaling, fp):
    await signaling.connect()
    done_reading = False
    channel = pc.createDataChannel("filexfer")

    def send_data():
        nonlocal done_reading
        while channel.bufferedAmount <= channel.bufferedAmountLowThreshold and not done_reading:
            data = fp.read(16384)
            channel.send(data)
            if not data:
                done_reading = True

    channel.on("bufferedamountlow", send_data)
    channel.on("open", send_data)
    await pc.setLocalDescription(await pc.createOffer())
    await signaling.send(pc.localDescription)
    await consume_signaling(pc, signaling)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Data channel file transfer")
    parser.add_argument("role", choices=["send", "receive"])
    parser.add_argument("filename")
    add_signaling_arguments(parser)
    args = parser.parse_args()

    signaling = create_signaling(args)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    if args.role == "send":
        coro = run_offer(pc, signaling, open(args.filename, "rb"))  # noqa: SIM115
    else:
        coro = run_answer(pc, signaling, args.filename)
    try:
        loop.run_until_complete(coro)
    except KeyboardInterrupt:
        pass
    finally:
        loop.run_until_complete(pc.close())
        loop.run_until_complete(signaling.close())
