"""Codes, passphrases and seals: what the database's operator may not read is encrypted here.

A code is four speakable words. Stretched with scrypt it gives both the id of the call's document
and the key that seals what is in it; the code itself never reaches the database. Guessing a code is
offline work for whoever can read the database, so its length (44 bits) and the stretch (about 0.1 s
and 32 MiB a guess) are the defence.

A room's passphrase is stretched alike, with the room in the salt; the room's document holds how,
and a check by which a wrong passphrase is noticed before anything is written.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import difflib
import functools
import importlib.resources
import os
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import (
    CodeUnknown,
    ConfigError,
    PassphraseNeeded,
    ProtocolError,
    SealBroken,
    WrongPassphrase,
)

CODE_WORDS = 4
WORD_COUNT = 2048
"""Length of BIP-39's English list: 11 bits a word, no two words share their first four letters."""
SCRYPT_N = 2**15
SCRYPT_R = 8
SCRYPT_P = 1
"""RFC 7914; about 114 ms of one core and 32 MiB of memory."""
KEY_BYTES = 32
CHECK_BYTES = 16
NONCE_BYTES = 12
"""NIST SP 800-38D, section 5.2.1.1: 96 bits is the length GCM is made for."""
VERSION = "firertc/1"


@functools.cache
def words() -> tuple[str, ...]:
    """The 2,048 words codes are made of."""
    text = importlib.resources.files("firertc").joinpath("words.txt").read_text("ascii")
    return tuple(text.split())


def new_code() -> str:
    """A fresh code: four words drawn at random, joined with ``-``."""
    return "-".join(secrets.choice(words()) for _ in range(CODE_WORDS))


def looks_like_code(text: str) -> bool:
    """Whether this could have been meant as a code (rather than a peer's name)."""
    parts = text.replace("-", " ").split()
    known = set(words())
    return len(parts) == CODE_WORDS and sum(part.lower() in known for part in parts) >= 2


def normalize_code(text: str) -> str:
    """Bring a code as a person typed it into its one form.

    :raises CodeUnknown: if it isn't four words of the list; names the word and the nearest ones.
    """
    parts = text.strip().lower().replace("-", " ").split()
    if len(parts) != CODE_WORDS:
        raise CodeUnknown(
            f"A code has {CODE_WORDS} words joined with '-'; this one has {len(parts)}."
        )
    known = set(words())
    for part in parts:
        if part not in known:
            near = difflib.get_close_matches(part, words(), n=2, cutoff=0.6)
            hint = f" Did you mean {' or '.join(repr(word) for word in near)}?" if near else ""
            raise CodeUnknown(f"{part!r} is not a word that codes are made of.{hint}")
    return "-".join(parts)


@dataclass(frozen=True)
class Seal:
    """What a code opens: the id of one call's document, and the key of its fields."""

    call: str
    """32 hex digits; empty where a passphrase seals a room."""
    key: bytes = field(repr=False)
    """AES-256-GCM; 32 bytes."""

    def close(self, text: str, context: Context) -> str:
        """Seal a text for one field of one document.

        :returns: base64url of nonce, ciphertext and tag.
        """
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(NONCE_BYTES)
        sealed = AESGCM(self.key).encrypt(nonce, text.encode(), context.associated_data())
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, sealed: str, context: Context) -> str:
        """Open what :meth:`close` made with the same key and context.

        :raises SealBroken: if key or context differ, or a byte was changed.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
            if len(raw) < NONCE_BYTES + 16:
                raise ValueError("too short")
            text = AESGCM(self.key).decrypt(
                raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.associated_data()
            )
            return text.decode()
        except (InvalidTag, ValueError, binascii.Error):
            if not self.call:
                raise SealBroken(
                    f"A sealed {context.name} in this room does not open: somebody changed it, or "
                    "sealed it with another passphrase."
                ) from None
            raise SealBroken(
                f"The sealed {context.name} of this call does not open: somebody changed it, or it "
                "was sealed with another code. Hang up and make a new code."
            ) from None


@dataclass(frozen=True)
class RoomSeal(Seal):
    """What a room's passphrase opens: the key of all that is sealed in the room."""

    check: str = ""
    """Stands in the room's document: tells a wrong passphrase from the right one."""

    def fields(self) -> dict[str, Any]:
        """``sealed`` of the room's document."""
        return {
            "kdf": "scrypt",
            "n": SCRYPT_N,
            "r": SCRYPT_R,
            "p": SCRYPT_P,
            "check": self.check,
        }


@dataclass(frozen=True)
class Context:
    """Where a sealed text stands; bound to it as associated data, so that it opens nowhere else."""

    path: str
    """Document path, from ``realms/`` on."""
    name: str
    """Field: ``offer``, ``answer``, ``offerCandidates``, ``data``…"""
    sender: str
    sender_session: str
    receiver: str
    """``*`` for what is said to whoever comes; empty for what a peer says of itself."""
    receiver_session: str
    """For a message's ``body`` its number in digits: an old one opens under no higher number."""

    def associated_data(self) -> bytes:
        """The bytes that AES-GCM authenticates beside the text (docs/protocol.md, section 5)."""
        return "\n".join(
            (
                VERSION,
                self.path,
                self.name,
                self.sender,
                self.sender_session,
                self.receiver,
                self.receiver_session,
            )
        ).encode()


def stretch(code: str, project: str) -> Seal:
    """Turn a code into a document id and a key: 0.1 s of work, see :func:`stretch_aside`.

    :param code: in its normal form.
    :param project: Firebase project id; part of the salt.
    """
    stretched = _scrypt(code, f"{VERSION}/code/{project}")
    return Seal(
        call=_expand(stretched, "call-id", 16).hex(),
        key=_expand(stretched, "call-key", KEY_BYTES),
    )


async def stretch_aside(code: str, project: str) -> Seal:
    """:func:`stretch` in a thread, so that the event loop goes on."""
    return await asyncio.to_thread(stretch, code, project)


def room_seal(passphrase: str, project: str, realm: str, room: str) -> RoomSeal:
    """Turn a room's passphrase into its key: 0.1 s of work, see :func:`room_seal_aside`.

    :param passphrase: any text but none; written in Unicode's form NFC first.
    :param project: Firebase project id; part of the salt, as are:
    :param realm: id of the realm.
    :param room: id of the room.
    :raises ConfigError: if it is empty or no text.
    """
    if not passphrase:
        raise ConfigError("A passphrase needs at least one character.")
    try:
        stretched = _scrypt(
            unicodedata.normalize("NFC", passphrase), f"{VERSION}/room/{project}/{realm}/{room}"
        )
    except UnicodeEncodeError:
        raise ConfigError("The passphrase holds bytes that are no UTF-8 text.") from None
    check = base64.urlsafe_b64encode(_expand(stretched, "room-check", CHECK_BYTES))
    return RoomSeal(
        call="",
        key=_expand(stretched, "room-key", KEY_BYTES),
        check=check.rstrip(b"=").decode(),
    )


async def room_seal_aside(passphrase: str, project: str, realm: str, room: str) -> RoomSeal:
    """:func:`room_seal` in a thread, so that the event loop goes on."""
    return await asyncio.to_thread(room_seal, passphrase, project, realm, room)


def check_room_seal(seal: RoomSeal | None, fields: Mapping[str, Any]) -> None:
    """Whether we have what a room's document says its contents are sealed with.

    :param seal: made of the passphrase that was given; None: none was.
    :param fields: of the room's document.
    :raises PassphraseNeeded: the room is sealed, and no passphrase was given.
    :raises WrongPassphrase: it is sealed with another.
    :raises SealBroken: a passphrase was given, and the room is not sealed.
    :raises ProtocolError: it is sealed in a way that is not known here.
    """
    found = fields.get("sealed")
    if found is None:
        if seal is not None:
            raise SealBroken(
                "The room is not sealed, though a passphrase was given: somebody else made it. "
                "Come without a passphrase, or choose another room."
            )
        return
    if seal is None:
        raise PassphraseNeeded(
            "The room is sealed: it takes a passphrase. Ask somebody inside for it."
        )
    ours = seal.fields()
    if not isinstance(found, Mapping) or any(
        found.get(name) != ours[name] for name in ("kdf", "n", "r", "p")
    ):
        # Anything weaker would let whoever wrote it guess the passphrase more cheaply.
        raise ProtocolError("The room is sealed in a way that this program doesn't know.")
    if found.get("check") != seal.check:
        raise WrongPassphrase("The passphrase is not this room's. Ask somebody inside for it.")


def _scrypt(secret: str, salt: str) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    kdf = Scrypt(salt.encode(), KEY_BYTES, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return kdf.derive(secret.encode())


def _expand(stretched: bytes, purpose: str, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"{VERSION}/{purpose}".encode()
    return HKDF(SHA256(), length, salt=None, info=info).derive(stretched)
