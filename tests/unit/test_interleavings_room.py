"""Peers that come, crash, come back, time out and see things late, in any order: at most one live
link per pair, no two offers cross, an answer is set once, and in the end every pair is linked.

The world keeps documents as Firestore does: commits have one order, everybody sees states in that
order but late and not all of them, an answer is set once, and a reply may be lost. What the peers
decide they decide with :mod:`firertc.negotiation` and :mod:`firertc.meshing`; what drives the
decisions is modelled after ``firertc.mesh``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firertc.meshing import (
    ANSWERS_AT_ONCE,
    ANSWERS_MOST,
    Taken,
    is_from,
    is_usable,
    makes,
    takes,
    try_until,
)
from firertc.negotiation import Accept, Over, Presence, answer_outcome, offerer_step
from firertc.schema import ANYONE, Call, direct_id, standing_id

from .room_model import Making, Path, Peer, State

NAMES = ("ann", "bob", "cat", "dan", "eve")
LATE_MOST = 2
"""So many tries for a link may fail by chance: if all did, it would be unreachable, and rightly."""
FOREVER = datetime(2100, 1, 1, tzinfo=UTC)


class Rooms(RuleBasedStateMachine):
    """A room that connects all, with two to five peers."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[State] = [State({}, {})]
        self.paths: dict[str, Path] = {}
        self.peers: dict[str, Peer] = {}
        """The living, by name."""
        self.sessions = 0
        self.late: dict[frozenset[str], int] = {}
        """How many tries of a pair of sessions have failed by chance."""

    # ---- the database ---------------------------------------------------------------------------

    @property
    def now(self) -> State:
        return self.history[-1]

    def commit(
        self, cards: dict[str, tuple[str, float] | None], calls: dict[str, Call | None]
    ) -> None:
        state = State(dict(self.now.cards), dict(self.now.calls))
        for name, card in cards.items():
            state.cards.pop(name, None)
            if card is not None:
                state.cards[name] = card
        for path, call in calls.items():
            before = state.calls.pop(path, None)
            if call is None:
                continue
            if before is not None and before.offer == call.offer and before.answer is not None:
                assert before.answer == call.answer, "an answer was set twice"
            state.calls[path] = call
        self.history.append(state)

    def answerable(self, call: Call) -> bool:
        """What the rules check: it is this offer, and nobody has answered it."""
        held = self.now.calls.get(call.path)
        return held is not None and held.offer == call.offer and held.answer is None

    def answered(self, call: Call, peer: Peer) -> Call:
        answer = {"type": "answer", "sdp": peer.session}
        return replace(call, receiver=peer.name, receiver_session=peer.session, answer=answer)

    def offer(
        self, peer: Peer, document: str, to: str, session: str, attempt: int
    ) -> tuple[str, Call]:
        path = f"path-{len(self.paths)}"
        self.paths[path] = Path(peer.session)
        return path, Call(
            path=document,
            kind="standing" if to == ANYONE else "direct",
            sender=peer.name,
            sender_session=peer.session,
            receiver=to,
            receiver_session=session,
            attempt=attempt,
            offer={"type": "offer", "sdp": path},
            answer=None,
            offer_candidates=(),
            answer_candidates=(),
            metadata=None,
            ended=None,
            lease_until=FOREVER,
        )

    # ---- what a peer does -----------------------------------------------------------------------

    def come_in(self, peer: Peer, reply_lost: bool) -> None:
        assert peer.found is not None
        card = (peer.session, float(len(self.history) // 2))
        found = [
            call
            for call in peer.found.calls.values()
            if is_usable(call, peer.name, 0.0)
            and is_from(call, peer.found.cards.get(call.sender, ("",))[0])
        ][: min(ANSWERS_MOST, ANSWERS_AT_ONCE)]
        peer.inside = True
        if found and all(self.answerable(call) for call in found):
            self.commit({peer.name: card}, {call.path: self.answered(call, peer) for call in found})
            if reply_lost:
                # Read again: our own card stands, so do our answers.
                assert self.now.cards[peer.name][0] == peer.session
                for call in found:
                    again = self.now.calls.get(call.path)
                    assert answer_outcome(again, peer.name, peer.session) == "mine"
            for call in found:
                path = call.offer["sdp"]
                self.paths[path].answerer = peer.session
                peer.making[call.sender] = Making(path, call.path)
                peer.cards[call.sender] = peer.found.cards[call.sender]
            return
        self.commit({peer.name: card}, {})
        self.place_standing(peer)

    def place_standing(self, peer: Peer) -> None:
        document = standing_id(peer.name, peer.standings)
        path, call = self.offer(peer, document, ANYONE, "", peer.standings)
        peer.standings += 1
        peer.standing = (document, path)
        self.commit({}, {document: call})

    def look(self, peer: Peer, number: int) -> None:
        """A snapshot arrives."""
        state = self.history[number]
        peer.seen = number
        for name in {*peer.cards, *state.cards} - {peer.name}:
            before, after = peer.cards.get(name), state.cards.get(name)
            if before is not None and (after is None or after[0] != before[0]):
                self.lose(peer, name)
        peer.cards = dict(state.cards)
        for document, call in state.calls.items():
            if call == peer.calls.get(document):
                continue
            mine = (call.receiver, call.receiver_session) == (peer.name, peer.session)
            if call.kind == "direct" and mine and call.answer is None:
                self.offered(peer, call)
        peer.calls = dict(state.calls)
        self.see(peer)
        self.hear_answers(peer)

    def see(self, peer: Peer) -> None:
        mine = peer.cards.get(peer.name)
        if mine is None or mine[0] != peer.session:
            return
        me = Presence(peer.name, mine[1])
        for name, (_, since) in peer.cards.items():
            busy = name in peer.links or name in peer.making
            if name != peer.name and makes(me, Presence(name, since), busy):
                self.direct(peer, name, try_until(0.0))

    def direct(self, peer: Peer, name: str, until: float | None) -> None:
        attempt = peer.attempts[name] = peer.attempts.get(name, -1) + 1
        document = direct_id(peer.name, name, attempt)
        path, call = self.offer(peer, document, name, peer.cards[name][0], attempt)
        peer.making[name] = Making(path, document, until)
        self.commit({}, {document: call})

    def offered(self, peer: Peer, call: Call) -> None:
        if not takes(peer.taken.get(call.sender), call):
            return
        if call.sender in peer.taking:
            self.close(peer, peer.taking[call.sender])
        path = call.offer["sdp"]
        peer.taken[call.sender] = Taken(call.sender_session, call.attempt)
        peer.taking[call.sender] = path
        peer.to_answer = [waiting for waiting in peer.to_answer if waiting.sender != call.sender]
        peer.to_answer.append(call)

    def hear_answers(self, peer: Peer) -> None:
        for making in peer.making.values():
            self.accept(peer, making.document, making.path)
        if peer.standing is not None:
            document, path = peer.standing
            if self.accept(peer, document, path):
                peer.standing = None

    def accept(self, peer: Peer, document: str, path: str) -> bool:
        """As who waits for an answer.

        :returns: whether it waits no longer.
        """
        if self.paths[path].offerer != peer.session:
            return False
        call = peer.calls.get(document)
        if call is not None and call.offer["sdp"] != path:
            return False  # what was there before our offer
        match offerer_step(call, peer.name):
            case Accept():
                assert call is not None and call.answer is not None
                self.paths[path].answerer = call.answer["sdp"]
                self.paths[path].ready = True
                return True
            case Over("gone"):
                return False  # not yet there, as far as we see
            case _:
                return False

    def lose(self, peer: Peer, name: str) -> None:
        making = peer.making.pop(name, None)
        if making is not None:
            self.give_up(peer, making)
        peer.taken.pop(name, None)
        taking = peer.taking.pop(name, None)
        if taking is not None:
            peer.to_answer = [call for call in peer.to_answer if call.sender != name]
            self.close(peer, taking)
        if name in peer.links:
            self.close(peer, peer.links.pop(name))

    def give_up(self, peer: Peer, making: Making) -> None:
        self.close(peer, making.path)
        call = self.now.calls.get(making.document)
        ours = self.paths[making.path].offerer == peer.session
        if ours and call is not None and call.offer["sdp"] == making.path:
            self.commit({}, {making.document: None})

    def close(self, peer: Peer, path: str) -> None:
        self.paths[path].closed.add(peer.session)

    def link(self, peer: Peer, name: str, path: str) -> None:
        before = peer.links.get(name)
        if before is not None and before != path:
            self.close(peer, before)
        peer.links[name] = path
        making = peer.making.get(name)
        if making is not None and making.path == path:
            del peer.making[name]
        call = next((c for c in self.now.calls.values() if c.offer["sdp"] == path), None)
        if call is not None and call.sender_session == peer.session:
            self.commit({}, {call.path: None})

    # ---- what can happen ------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        """Somebody comes, perhaps in another session while its ghost is still there."""
        if name not in self.peers:
            self.sessions += 1
            self.peers[name] = Peer(name, f"session-{self.sessions}", found=self.now)

    @precondition(lambda self: any(not peer.inside for peer in self.peers.values()))
    @rule(data=st.data(), reply_lost=st.booleans())
    def enter(self, data: st.DataObject, reply_lost: bool) -> None:
        """A newcomer's commit arrives, which is some time after it looked."""
        waiting = [peer for peer in self.peers.values() if not peer.inside]
        self.come_in(data.draw(st.sampled_from(waiting)), reply_lost)

    @precondition(lambda self: any(self.unseen()))
    @rule(data=st.data())
    def snapshot(self, data: st.DataObject) -> None:
        """Somebody sees a later state; those between it never sees."""
        peer = data.draw(st.sampled_from(list(self.unseen())))
        self.look(peer, data.draw(st.integers(peer.seen + 1, len(self.history) - 1)))

    def unseen(self) -> Iterator[Peer]:
        last = len(self.history) - 1
        return (peer for peer in self.peers.values() if peer.inside and peer.seen < last)

    @precondition(lambda self: any(peer.to_answer for peer in self.peers.values()))
    @rule(data=st.data(), reply_lost=st.booleans())
    def answer(self, data: st.DataObject, reply_lost: bool) -> None:
        """The answer to a direct offer is committed."""
        waiting = [peer for peer in self.peers.values() if peer.to_answer]
        self.commit_answer(data.draw(st.sampled_from(waiting)), reply_lost)

    def commit_answer(self, peer: Peer, reply_lost: bool) -> None:
        call = peer.to_answer.pop(0)
        path = call.offer["sdp"]
        if self.answerable(call):
            self.commit({}, {call.path: self.answered(call, peer)})
            self.paths[path].answerer = peer.session
            if not reply_lost:
                return
        again = self.now.calls.get(call.path)
        if again is not None and again.offer != call.offer:
            again = None
        outcome = answer_outcome(again, peer.name, peer.session)
        if outcome != "mine":
            assert not reply_lost or again is None or again.answer is None
            self.close(peer, path)

    @precondition(lambda self: any(self.openable()))
    @rule(data=st.data())
    def opens(self, data: st.DataObject) -> None:
        """One side sees a connection open."""
        self.open_at(*data.draw(st.sampled_from(list(self.openable()))))

    def openable(self) -> Iterator[tuple[Peer, str, str]]:
        alive = {peer.session: peer for peer in self.peers.values()}
        for name, path in self.paths.items():
            ends = (path.offerer, path.answerer)
            if path.ready and not path.closed and set(ends) <= set(alive):
                for mine, other in (ends, ends[::-1]):
                    if mine not in path.opened and alive[other].name in alive[mine].cards:
                        yield alive[mine], alive[other].name, name

    def open_at(self, peer: Peer, other: str, path: str) -> None:
        self.paths[path].opened.add(peer.session)
        self.link(peer, other, path)

    @precondition(lambda self: any(self.ended()))
    @rule(data=st.data())
    def notices(self, data: st.DataObject) -> None:
        """One side notices that the other one has closed its link, or is silent."""
        self.notice(*data.draw(st.sampled_from(list(self.ended()))))

    def ended(self) -> Iterator[tuple[Peer, str]]:
        for peer in self.peers.values():
            for name, path in peer.links.items():
                if self.paths[path].closed:
                    yield peer, name

    def notice(self, peer: Peer, name: str) -> None:
        self.close(peer, peer.links.pop(name))
        self.see(peer)

    @precondition(lambda self: any(self.slow()))
    @rule(data=st.data())
    def too_late(self, data: st.DataObject) -> None:
        """A try takes too long, by chance."""
        peer, name = data.draw(st.sampled_from(list(self.slow())))
        pair = frozenset((peer.session, peer.cards[name][0]))
        self.late[pair] = self.late.get(pair, 0) + 1
        self.try_again(peer, name)

    def slow(self) -> Iterator[tuple[Peer, str]]:
        for peer in self.peers.values():
            for name in peer.making:
                pair = frozenset((peer.session, peer.cards.get(name, ("",))[0]))
                if self.late.get(pair, 0) < LATE_MOST and name in peer.cards:
                    yield peer, name

    def try_again(self, peer: Peer, name: str) -> None:
        making = peer.making.pop(name)
        self.give_up(peer, making)
        assert making.until is not None
        until = try_until(making.until, making.until)
        if until is not None:
            self.direct(peer, name, until)
        # else it is unreachable, until the next snapshot

    @precondition(lambda self: any(peer.standing is None for peer in self.peers.values()))
    @rule(data=st.data())
    def stands(self, data: st.DataObject) -> None:
        """Who has no offer for whoever comes puts one up."""
        without = [peer for peer in self.peers.values() if peer.inside and peer.standing is None]
        if without:
            self.place_standing(data.draw(st.sampled_from(without)))

    @precondition(lambda self: len(self.peers) > 2)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """Somebody is gone; its documents stay."""
        self.die(data.draw(st.sampled_from(list(self.peers.values()))))

    def die(self, peer: Peer) -> None:
        del self.peers[peer.name]
        for path in self.paths.values():
            if peer.session in (path.offerer, path.answerer):
                path.closed.add(peer.session)

    @precondition(lambda self: any(self.peers))
    @rule(data=st.data())
    def breaks(self, data: st.DataObject) -> None:
        """A link breaks, for one side first."""
        linked = [(peer, name) for peer in self.peers.values() for name in peer.links]
        if linked:
            self.notice(*data.draw(st.sampled_from(linked)))

    @rule()
    def sweep(self) -> None:
        """The leases of the dead are over."""
        alive = {peer.session for peer in self.peers.values()}
        cards = {name: None for name, card in self.now.cards.items() if card[0] not in alive}
        calls = {
            path: None for path, call in self.now.calls.items() if call.sender_session not in alive
        }
        if cards or calls:
            self.commit(dict(cards), dict(calls))

    # ---- what holds -----------------------------------------------------------------------------

    @invariant()
    def one_live_link_per_pair(self) -> None:
        for one, other in combinations(self.peers.values(), 2):
            live = {
                path
                for peer, name in ((one, other.name), (other, one.name))
                if (path := peer.links.get(name)) is not None
                and not self.paths[path].closed
                and {self.paths[path].offerer, self.paths[path].answerer}
                == {one.session, other.session}
            }
            assert len(live) <= 1, f"{one.name} and {other.name} have {live}"

    @invariant()
    def no_offers_cross(self) -> None:
        for one, other in combinations(self.peers.values(), 2):
            both = [
                peer.making.get(name) is not None and peer.cards.get(name, ("",))[0] == session
                for peer, name, session in (
                    (one, other.name, other.session),
                    (other, one.name, one.session),
                )
            ]
            assert not all(both), f"{one.name} and {other.name} both make the link"

    def teardown(self) -> None:
        """No more faults: whatever can happen happens, and every pair is linked."""
        for _ in range(400):
            if not self.calm():
                break
        else:
            raise AssertionError("it never comes to rest")
        self.one_live_link_per_pair()
        for one, other in combinations(self.peers.values(), 2):
            path = one.links.get(other.name)
            assert path is not None, f"{one.name} is not linked to {other.name}"
            assert path == other.links.get(one.name)
            assert not self.paths[path].closed
            assert self.paths[path].opened >= {one.session, other.session}

    def calm(self) -> bool:
        """One step of what happens by itself.

        :returns: False if nothing does.
        """
        alive = {peer.session for peer in self.peers.values()}
        ghosts = {card[0] for card in self.now.cards.values()} - alive
        if ghosts and all(peer.inside for peer in self.peers.values()):
            self.sweep()
            return True
        for peer in self.peers.values():
            if not peer.inside:
                self.come_in(peer, False)
                return True
            if peer.to_answer:
                self.commit_answer(peer, False)
                return True
        for peer in self.unseen():
            self.look(peer, len(self.history) - 1)
            return True
        for opening in self.openable():
            self.open_at(*opening)
            return True
        for ended in self.ended():
            self.notice(*ended)
            return True
        for peer in self.peers.values():
            for name in peer.making:
                self.try_again(peer, name)
                return True
        return False


Rooms.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestRooms = Rooms.TestCase


def test_an_offer_that_is_over_is_told_apart() -> None:
    assert offerer_step(None, "ann") == Over("gone")
