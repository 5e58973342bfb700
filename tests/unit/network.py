"""A network that fails on demand: what this process's peer connections receive is dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aioice.ice
import pytest

from firertc.connection import Connection


class Network:
    """All the paths between peer connections of this process; the database's are not among them.

    :param patch: undoes it in the end.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.is_cut = False
        self.lost: set[int] = set()
        """Ports where nothing arrives any more."""
        self.dropped = 0
        receive: Callable[..., None] = aioice.ice.StunProtocol.datagram_received

        def datagram_received(protocol: Any, data: Any, addr: Any) -> None:
            port = protocol.transport.get_extra_info("sockname")[1]
            if self.is_cut or port in self.lost:
                self.dropped += 1
            else:
                receive(protocol, data, addr)

        patch.setattr(aioice.ice.StunProtocol, "datagram_received", datagram_received)

    def cut(self) -> None:
        """Nothing arrives anywhere."""
        self.is_cut = True

    def restore(self) -> None:
        """Everything arrives again, but where a connection was lost for good."""
        self.is_cut = False

    def lose(self, connection: Connection) -> None:
        """Nothing arrives on this connection any more, as when a device changes networks."""
        agent: Any = connection._ice_transport()._connection
        for protocol in agent._protocols:
            self.lost.add(protocol.transport.get_extra_info("sockname")[1])
