"""Descriptions and candidates of the other side, made such that aiortc can use them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from .errors import DocumentMalformed
from .schema import parse_json

MDNS_SUFFIX = ".local"
"""Browsers hide their host addresses behind such names (draft-ietf-mmusic-mdns-ice-candidates)."""
END_OF_CANDIDATES = json.dumps({"candidate": ""})
"""An empty candidate ends the list (W3C WebRTC, section 4.8.1.2)."""


def is_complete(sdp: str, candidates: Iterable[str] = ()) -> bool:
    """Whether a side has said that no more candidates of its own will come.

    :param sdp: its description (RFC 8840, section 4.2).
    :param candidates: what it has written beside it, as JSON texts.
    """
    return any(_is_end(text) for text in candidates) or any(
        line.strip() == "a=end-of-candidates" for line in sdp.splitlines()
    )


def usable_by_aiortc(sdp: str) -> str:
    """A description with its candidates where aiortc 1.16 finds them.

    With max-bundle it takes those of the last section alone; browsers put theirs in the first. And
    where all are mDNS names the end mark is left out: if they don't resolve, aioice gives up on the
    spot, though the other side's checks may well come through.
    """
    head, *sections = re.split(r"(?m)^(?=m=)", sdp)
    if not sections:
        return sdp
    lines = candidate_lines(sdp)
    end = is_complete(sdp) and not (lines and all(map(is_mdns, lines)))
    kept = [
        "".join(
            line
            for line in section.splitlines(keepends=True)
            if not line.startswith(("a=candidate:", "a=end-of-candidates"))
        )
        for section in sections
    ]
    if kept[-1] and not kept[-1].endswith("\n"):
        kept[-1] += "\r\n"
    kept[-1] += "".join(f"{line}\r\n" for line in lines)
    kept[-1] += "a=end-of-candidates\r\n" if end else ""
    return "".join((head, *kept))


def candidate_lines(sdp: str) -> list[str]:
    """Every candidate line once, in order."""
    lines = (line.strip() for line in sdp.splitlines())
    return list(dict.fromkeys(line for line in lines if line.startswith("a=candidate:")))


def is_mdns(line: str) -> bool:
    """Whether a candidate's address is such a name."""
    parts = line.split()
    return len(parts) > 4 and parts[4].endswith(MDNS_SUFFIX)


def _is_end(text: str) -> bool:
    try:
        content = parse_json(text)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("candidate") == ""


def read_candidate(text: str) -> RTCIceCandidate | None:
    """A candidate of the other side.

    :param text: JSON of an ``RTCIceCandidateInit``.
    :returns: None for the end mark.
    :raises DocumentMalformed: if it is no candidate.
    """
    try:
        content = parse_json(text)
        line = content["candidate"]
        if not line:
            return None
        candidate = candidate_from_sdp(line.split(":", 1)[1])
        candidate.sdpMid = content.get("sdpMid")
        candidate.sdpMLineIndex = content.get("sdpMLineIndex")
        if candidate.sdpMid is None and candidate.sdpMLineIndex is None:
            candidate.sdpMLineIndex = 0
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError):
        raise DocumentMalformed("The other side wrote a candidate that is none.") from None
    return candidate
