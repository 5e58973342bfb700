"""FireRTC: serverless WebRTC signaling over Cloud Firestore.

The names below are the public interface; each is imported when it is first used, so that importing
the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .call import Call as Call
    from .call import Media as Media
    from .channel import Channel as Channel
    from .client import Client as Client
    from .config import Config as Config
    from .config import load_config as load_config
    from .errors import FireRTCError as FireRTCError
    from .link import Link as Link
    from .link import LinkEnd as LinkEnd
    from .link import LinkState as LinkState
    from .looking import RoomView as RoomView
    from .media import open_source as open_source
    from .negotiation import CallState as CallState
    from .one_off import come_with_code as come_with_code
    from .one_off import wait_at_code as wait_at_code
    from .receiving import receive_files as receive_files
    from .recording import Recorder as Recorder
    from .ringing import Ring as Ring
    from .room import Room as Room
    from .schema import Peer as Peer
    from .schema import decode_id as decode_id
    from .schema import encode_id as encode_id
    from .schema import new_room_name as new_room_name
    from .sending import send_files as send_files
    from .session import Credentials as Credentials
    from .session import Session as Session
    from .session import join as join
    from .tokens import make_token as make_token

__version__ = "0.1.0"

_HOMES: Final = {
    "Call": "call",
    "CallState": "negotiation",
    "Channel": "channel",
    "Client": "client",
    "Config": "config",
    "Credentials": "session",
    "FireRTCError": "errors",
    "Link": "link",
    "LinkEnd": "link",
    "LinkState": "link",
    "Media": "call",
    "Peer": "schema",
    "Recorder": "recording",
    "Ring": "ringing",
    "Room": "room",
    "RoomView": "looking",
    "Session": "session",
    "come_with_code": "one_off",
    "decode_id": "schema",
    "encode_id": "schema",
    "join": "session",
    "load_config": "config",
    "make_token": "tokens",
    "new_room_name": "schema",
    "open_source": "media",
    "receive_files": "receiving",
    "send_files": "sending",
    "wait_at_code": "one_off",
}
"""Where each public name lives."""

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'firertc' has no attribute {name!r}")
    module = importlib.import_module(f".{_HOMES[name]}", __name__)
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
