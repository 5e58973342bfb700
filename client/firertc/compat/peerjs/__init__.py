"""PeerJS's words in Python: a :class:`Peer` that others connect to and call, here or in a browser.

::

    async with Peer("alice") as peer:
        connection = peer.connect("bob")

        @connection.on("open")
        async def greet():
            await connection.send({"hello": "from Python"})

Events have PeerJS's names; what takes time is awaited. The other side is another of these, or a
page with the ``Peer`` of FireRTC's JavaScript package. docs/moving/peerjs-python.md says what
differs.
"""

from .connection import DataConnection, MediaConnection, MediaStream
from .errors import (
    BaseConnectionErrorType,
    DataConnectionErrorType,
    PeerError,
    PeerErrorType,
)
from .peer import Peer

__all__ = [
    "BaseConnectionErrorType",
    "DataConnection",
    "DataConnectionErrorType",
    "MediaConnection",
    "MediaStream",
    "Peer",
    "PeerError",
    "PeerErrorType",
]
