"""``firertc room join`` in a sealed room: passphrases, commands in the chat, events."""

from __future__ import annotations

import os

from .conftest import Run


def test_passphrases_and_commands(run: Run) -> None:
    join = ("room", "join", "cellar", "--chat", "--json")
    ann = run(*join, "--as", "ann", "--passphrase-stdin")
    ann.say("offene tür")
    ann.wait_for("entered")
    bob = run(*join, "--as", "bob", FIRERTC_PASSPHRASE="offene tür")
    carl = run(*join, "--as", "carl", FIRERTC_PASSPHRASE="offene tür")
    for one in (ann, bob, carl):
        for _ in range(2):
            one.wait_for("linked")
    # Not where others on this machine can read it.
    for one in (ann, bob):
        with open(f"/proc/{one.process.pid}/cmdline", "rb") as line:
            assert "tür".encode() not in line.read()
    ann.say("/to bob just you")
    ann.say("all of you")
    assert bob.wait_for("message")["body"] == "just you"
    assert bob.wait_for("message")["body"] == "all of you"
    assert carl.wait_for("message")["body"] == "all of you"
    ann.say("/who")
    present = [ann.wait_for("present")["peer"] for _ in range(3)]
    assert (present[0], sorted(present)) == ("ann", ["ann", "bob", "carl"])
    ann.say("/lock")
    assert "Only a moderator" in ann.wait_for("refused")["message"]
    ann.say("/to nobody hi")
    assert ann.wait_for("refused")["peer"] == "nobody"
    ann.say("/dance")
    ann.wait_for("refused")
    for one in (ann, bob, carl):
        one.no_more()
        assert one.end() == 0


def test_what_is_no_passphrase(run: Run) -> None:
    ann = run("room", "join", "cellar", "--json", FIRERTC_PASSPHRASE="offene tür")
    ann.wait_for("entered")
    wrong = run("room", "join", "cellar", FIRERTC_PASSPHRASE="zu")
    missing = run("room", "join", "cellar")
    unasked = run("room", "join", "cellar", "--passphrase")
    empty = run("room", "join", "cellar", "--passphrase-stdin")
    empty.no_more()
    for terminal, code, says in (
        (wrong, 5, "The passphrase is not this room's"),
        (missing, 5, "it takes a passphrase"),
        (unasked, 2, "There is no terminal to ask"),
        (empty, 2, "There is no passphrase in the first line"),
    ):
        assert terminal.end() == code
        assert len(terminal.err) == 1
        assert says in terminal.err[0]
    ann.interrupt()
    assert ann.end() == 0
    assert "FIRERTC_PASSPHRASE" not in os.environ


def test_locked_at_once_by_who_may(run: Run) -> None:
    terminal = run("room", "join", "hall", "--lock", "--as", "ann")
    assert terminal.end() == 5
    assert "Only a moderator" in terminal.err[-1]
