"""What ICE is told, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiortc import RTCIceServer

from .errors import ConfigError


@dataclass(frozen=True)
class Path:
    """The network path that a connection found."""

    local: str
    """``host``, ``srflx``, ``prflx`` or ``relay`` (RFC 8445, section 5.1.1)."""
    remote: str
    address: str
    """``ip:port`` of the other side."""

    @property
    def kind(self) -> str:
        """The one word for it: a path that a relay or a NAT is on is named after that."""
        for word in ("relay", "srflx", "prflx"):
            if word in (self.local, self.remote):
                return word
        return "host"


def ice_server(server: Mapping[str, Any]) -> RTCIceServer:
    """An ICE server as aiortc takes it.

    :param server: an ``RTCIceServer`` dictionary.
    :raises ConfigError: if it has no address.
    """
    urls = server.get("urls")
    if not isinstance(urls, str | list) or not urls:
        raise ConfigError("An ICE server needs 'urls': text or a list of texts.")
    return RTCIceServer(
        urls=urls, username=server.get("username"), credential=server.get("credential")
    )
