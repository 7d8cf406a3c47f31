"""The TCP sessions: which segment passes, what of it is new, what falls back. Numbers worked out by hand."""

import pytest

from hdl.filter.gate import OutcomeKind
from hdl.filter.session import SLOTS, Session
from hdl.wire.ethernet import TcpFlag
from hdl.wire.verdict import Action, Reason
from tests.cycles import simulate

LANE, PORT, ISN, BACK = 5, 40_005, 0xFFFF_FF00, 7_000
SYN, ACK, FIN, RST = (1 << flag for flag in (TcpFlag.SYN, TcpFlag.ACK, TcpFlag.FIN, TcpFlag.RST))
FIRST = ISN + 1
KINDS = {"sent": OutcomeKind.SENT, "discarded": OutcomeKind.DISCARDED, "aborted": OutcomeKind.ABORTED}


class Bench:
    """Plays headers, verdict, gate and return path; follows the gate's rule for epochs."""

    def __init__(self, ctx, session, *, actions=0):
        self.ctx, self.session, self.epochs = ctx, session, 0
        ctx.set(session.tcp_lanes, 1 << LANE)
        ctx.set(session.actions, actions)

    async def segment(
        self, sequence, length=0, flags=ACK, *, port=PORT, lane=LANE, keep=True, fence=False, withhold=False
    ):
        """Play one frame; return its lowest failure, how many octets are old and new, and what its descriptor needs."""
        ctx, session = self.ctx, self.session
        await self._pulse(session.open)
        ctx.set(session.lane, lane)
        ctx.set(session.source_port, port)
        ctx.set(session.sequence, sequence % (1 << 32))
        ctx.set(session.located, 1)
        await ctx.tick()
        ctx.set(session.located, 0)
        found = {"load": None if ctx.get(session.anew) else ctx.get(session.load_slot)}
        await ctx.tick().repeat(2)
        found["old"] = ctx.get(session.old_left)  # a + 3
        await ctx.tick().repeat(3)
        ctx.set(session.tcp_flags, flags)  # t + 14
        await ctx.tick().repeat(3)
        ctx.set(session.payload_length, length)  # a + 9
        await ctx.tick().repeat(3)
        flags = ctx.get(session.flags)  # a + 12
        found["reasons"] = [Reason(number) for number in range(flags.bit_length()) if flags >> number & 1][:1]
        for name in ("segment", "mute", "advance", "epoch", "finished", "slot", "position", "repeats", "stale"):
            found[name] = ctx.get(getattr(session, name))
        await ctx.tick().repeat(8)
        if keep and not found["reasons"]:
            await self._pulse(session.kept)
        if fence:
            await self._pulse(session.fence)
        if withhold:
            await self._pulse(session.withhold)
            await ctx.tick().repeat(6)
        return found

    async def outcome(self, kind, frame, *, leaving=False):
        """Report what became of a frame, as the gate does; `leaving`: it was, before the lane's epoch changed."""
        ctx, session = self.ctx, self.session
        kind = KINDS[kind] if leaving or frame["epoch"] == self.epochs else OutcomeKind.STALE
        outcome = {name: frame[name] for name in ("advance", "epoch", "finished", "slot")}
        ctx.set(session.outcome, outcome | {"kind": kind, "lane": LANE, "streamed": 1})
        if kind in (OutcomeKind.DISCARDED, OutcomeKind.ABORTED):
            self._flip()
        await self._pulse(session.outcome_valid)
        await ctx.tick().repeat(2)

    async def evidence(self, flags=ACK, sequence=BACK, acknowledgment=FIRST, length=0, *, port=PORT):
        """Let a frame of the return path end; return the lane and port of a session that began."""
        ctx, session = self.ctx, self.session
        fields = {"lane": LANE, "port": port, "flags": flags, "sequence": sequence, "payload_length": length}
        ctx.set(session.evidence, fields | {"acknowledgment": acknowledgment % (1 << 32)})
        await ctx.tick().repeat(2)
        self.missing = ctx.get(session.missing)
        await self._pulse(session.evidence_valid)
        began = self.skip = None
        for _ in range(6):
            if ctx.get(session.heard):
                self.skip = ctx.get(session.skip)
            if ctx.get(session.began):
                began = ctx.get(session.began_lane), ctx.get(session.began_port)
                assert ctx.get(session.renew) == 1 << LANE
                self.epochs = ctx.get(session.accepted) >> LANE & 1
                self._flip()
            await ctx.tick()
        return began

    async def open(self, isn=ISN):
        frame = await self.segment(isn, flags=SYN)
        await self.outcome("sent", frame)
        assert await self.evidence(SYN | ACK, BACK - 1, isn + 1) == (LANE, PORT)

    async def send(self, sequence, length, flags=ACK):
        """Play a segment that must pass, and let it leave."""
        frame = await self.segment(sequence, length, flags)
        assert frame["reasons"] == [], frame
        await self.outcome("sent", frame)
        return frame

    async def arm(self, lanes=0xFF):
        self.ctx.set(self.session.armed, lanes)
        await self.ctx.tick()
        self.ctx.set(self.session.armed, 0)

    def _flip(self):
        self.epochs ^= 1
        self.ctx.set(self.session.epochs, self.epochs << LANE)

    async def _pulse(self, signal):
        self.ctx.set(signal, 1)
        await self.ctx.tick()
        self.ctx.set(signal, 0)


def play(script, **options):
    session = Session()

    async def bench(ctx):
        await script(Bench(ctx, session, **options))

    simulate(session, bench)


def test_only_the_exchange_opens_a_session():
    """A SYN is not enough, nor an answer to another number or port; then the number behind the SYN's is the next."""

    async def script(bench):
        assert (await bench.segment(FIRST, 10))["reasons"] == [Reason.NO_SESSION]
        frame = await bench.segment(ISN, flags=SYN)
        assert (frame["reasons"], frame["advance"]) == ([], 0)
        await bench.outcome("sent", frame)
        assert (await bench.segment(FIRST, 10))["reasons"] == [Reason.NO_SESSION]
        assert await bench.evidence(SYN | ACK, acknowledgment=FIRST + 1) is None
        assert await bench.evidence(SYN | ACK, port=PORT + 1) is None
        assert await bench.evidence(ACK) is None
        assert await bench.evidence(SYN | ACK | RST) is None
        assert await bench.evidence(SYN | ACK) == (LANE, PORT)
        assert await bench.evidence(SYN | ACK) is None  # once
        assert (await bench.segment(FIRST, 10, port=PORT + 1))["reasons"] == [Reason.NO_SESSION]
        frame = await bench.segment(FIRST, 10)
        assert (frame["reasons"], frame["advance"], frame["old"], frame["load"]) == ([], 10, 0, None)

    play(script)


def test_octets_are_accepted_once_and_in_order():
    async def script(bench):
        await bench.open()
        first = await bench.segment(FIRST, 300)  # across 2^32
        assert (first["advance"], first["position"]) == (300, FIRST % 2048)
        second = await bench.segment(FIRST + 300, 100)
        assert (second["advance"], second["load"], second["slot"]) == (100, first["slot"], first["slot"] + 1)
        assert (await bench.segment(FIRST + 401, 1))["reasons"] == [Reason.GAP]
        assert (await bench.segment(FIRST, 300))["reasons"] == [Reason.IN_FLIGHT]
        await bench.outcome("sent", first)
        again = await bench.segment(FIRST, 300)
        assert (again["reasons"], again["old"], again["advance"], again["repeats"]) == ([], 400, 0, 1)
        assert (await bench.segment(FIRST + 299, 2))["reasons"] == [Reason.IN_FLIGHT]
        await bench.outcome("sent", second)
        await bench.outcome("sent", again)
        overlap = await bench.segment(FIRST + 350, 80)
        assert (overlap["reasons"], overlap["old"], overlap["advance"]) == ([], 50, 30)
        assert overlap["load"] == SLOTS | LANE

    play(script)


def test_a_frame_that_does_not_leave_takes_back_those_behind_it():
    async def script(bench):
        await bench.open()
        await bench.send(FIRST, 50)
        first, second = await bench.segment(FIRST + 50, 10), await bench.segment(FIRST + 60, 10)
        await bench.outcome("aborted", first)
        retry = await bench.segment(FIRST + 50, 10)
        assert (retry["reasons"], retry["advance"], retry["load"]) == ([], 10, SLOTS | LANE)
        assert retry["epoch"] != first["epoch"]
        await bench.outcome("sent", second)  # the gate has discarded it: stale
        assert (await bench.segment(FIRST + 50, 10))["reasons"] == [Reason.IN_FLIGHT]
        await bench.outcome("sent", retry)
        assert (await bench.segment(FIRST + 60, 10))["reasons"] == []

    play(script)


def test_what_was_withheld_stays_so():
    """P9: what fell back, and what came while the lane was killed, is stale until the stream is behind it."""

    async def script(bench):
        await bench.open()
        await bench.outcome("aborted", await bench.segment(FIRST, 10))
        assert (await bench.segment(FIRST + 20, 30, withhold=True))["reasons"] == [Reason.GAP]
        await bench.segment(FIRST + 20, 5, withhold=True)  # less far
        for sequence, length, stale in ((FIRST, 10, 1), (FIRST + 10, 10, 1), (FIRST + 20, 29, 1), (FIRST + 49, 10, 1)):
            assert (await bench.send(sequence, length))["stale"] == stale, sequence
        assert (await bench.send(FIRST + 59, 1))["stale"] == 0
        await bench.segment(FIRST + 200, 5, withhold=True)
        assert (await bench.send(FIRST + 60, 1))["stale"] == 1
        await bench.open(5_000)
        assert (await bench.send(5_001, 1))["stale"] == 0

    play(script)


def test_a_frame_that_was_sampled_before_the_fall_is_dropped():
    async def script(bench):
        await bench.open()
        first = await bench.segment(FIRST, 10)
        task = bench.segment(FIRST + 10, 10, keep=False)
        bench._flip()
        frame = await task
        assert frame["reasons"] == [Reason.ROLLED_BACK]
        bench._flip()
        await bench.outcome("discarded", first)

    play(script)


@pytest.mark.parametrize("kind", ["sent", "aborted"])
def test_what_becomes_of_an_old_frame_when_a_session_begins(kind):
    """Whenever its outcome comes, it changes nothing of the new session, and the gate has the new session's epoch."""

    async def script(bench):
        ctx, session = bench.ctx, bench.session
        began = []
        for reported in range(16):
            old, new = 1000 * reported, 1000 * reported + 100_000
            await bench.open(old)
            await bench.outcome("sent", await bench.segment(new, flags=SYN))
            frame = await bench.segment(old + 1, 10)
            told = {"lane": LANE, "port": PORT, "flags": SYN | ACK, "sequence": BACK - 1, "acknowledgment": new + 1}
            ctx.set(session.evidence, told)
            for cycle in range(24):
                ctx.set(session.evidence_valid, cycle == 2)
                outcome = {name: frame[name] for name in ("advance", "epoch", "finished", "slot")}
                if cycle == reported:
                    stale = frame["epoch"] != bench.epochs
                    outcome |= {"kind": OutcomeKind.STALE if stale else KINDS[kind], "lane": LANE, "streamed": 1}
                    ctx.set(session.outcome, outcome)
                    if kind == "aborted" and not stale:
                        bench._flip()
                ctx.set(session.outcome_valid, cycle == reported)
                renews = ctx.get(session.renew)
                if renews:
                    began.append(cycle - reported)
                    bench.epochs = ctx.get(session.accepted) >> LANE & 1
                await ctx.tick()
                if renews:
                    bench._flip()
            behind = await bench.segment(new + 1, 10, keep=False)
            assert (behind["reasons"], behind["old"], behind["advance"]) == ([], 0, 10), reported
            assert behind["epoch"] == bench.epochs, reported
        # Four cycles behind the evidence, or six behind the outcome; one of the same cycle does not make it wait.
        assert began == [6] * 6 + list(range(0, -10, -1))

    play(script)


def test_no_more_is_accepted_than_the_history_holds():
    """Exactly 2048 octets beyond the exchange's ACK; an ACK above what has left is not believed."""

    async def script(bench):
        await bench.open()
        await bench.send(FIRST, 1460)
        assert (await bench.segment(FIRST + 1460, 589, keep=False))["reasons"] == [Reason.WINDOW]
        await bench.send(FIRST + 1460, 588)
        assert (await bench.segment(FIRST + 2048, 1))["reasons"] == [Reason.WINDOW]
        await bench.evidence(acknowledgment=FIRST + 2049)
        assert (await bench.segment(FIRST + 2048, 1, keep=False))["reasons"] == [Reason.WINDOW]
        await bench.evidence(acknowledgment=FIRST + 100)
        await bench.evidence(acknowledgment=FIRST + 50)  # does not go back
        await bench.evidence(acknowledgment=FIRST + 200, port=PORT + 1)  # another's
        assert (await bench.segment(FIRST + 2048, 101, keep=False))["reasons"] == [Reason.WINDOW]
        await bench.send(FIRST + 2048, 100)
        assert (await bench.segment(FIRST + 99, 10))["reasons"] == [Reason.OLD]
        assert (await bench.segment(FIRST + 100, 10))["reasons"] == []

    play(script)


def test_keep_alives_and_acks():
    async def script(bench):
        await bench.open()
        await bench.send(FIRST, 20)
        assert (await bench.segment(FIRST + 19, 0))["reasons"] == []
        garbage = await bench.segment(FIRST + 19, 1)  # not acknowledged: compared
        assert (garbage["reasons"], garbage["mute"], garbage["repeats"], garbage["old"]) == ([], 0, 1, 1)
        await bench.outcome("sent", garbage)
        await bench.evidence(acknowledgment=FIRST + 20)
        garbage = await bench.segment(FIRST + 19, 1)
        assert (garbage["reasons"], garbage["mute"], garbage["repeats"], garbage["advance"]) == ([], 1, 0, 0)
        for sequence in (FIRST, FIRST + 20, FIRST + 500):
            assert (await bench.segment(sequence, 0))["reasons"] == []
        assert (await bench.segment(FIRST + 500, 0, RST))["reasons"] == []

    play(script)


def test_nothing_goes_on_behind_a_fin():
    async def script(bench):
        await bench.open()
        await bench.send(FIRST, 20)
        assert (await bench.segment(FIRST + 10, 5, FIN | ACK, keep=False))["reasons"] == [Reason.OLD]
        fin = await bench.send(FIRST + 20, 5, FIN | ACK)
        assert (fin["advance"], fin["finished"]) == (5, 1)
        await bench.ctx.tick()  # as of the cycle before
        assert bench.ctx.get(bench.session.sent) == (FIRST + 26) % (1 << 32)
        assert (await bench.segment(FIRST + 20, 5, FIN | ACK, keep=False))["reasons"] == []
        assert (await bench.segment(FIRST + 26, 0, keep=False))["reasons"] == []
        assert (await bench.segment(FIRST + 25, 1))["reasons"] == [Reason.FINISHED]

    play(script)


def test_a_fence_holds_until_an_arm_and_then_only_a_new_session_opens():
    async def script(bench):
        await bench.open()
        await bench.segment(FIRST, 5, keep=False, fence=True)
        assert bench.ctx.get(bench.session.fenced) == 1 << LANE
        assert (await bench.segment(FIRST, 5))["reasons"] == [Reason.FENCED]
        assert (await bench.segment(ISN, flags=SYN))["reasons"] == [Reason.FENCED]
        await bench.arm(0xFF ^ 1 << LANE)
        assert (await bench.segment(FIRST, 5))["reasons"] == [Reason.FENCED]
        await bench.arm()
        assert (await bench.segment(FIRST, 5))["reasons"] == [Reason.NO_SESSION]
        await bench.open(100)
        await bench.arm()  # does not close a session
        assert (await bench.segment(101, 5))["reasons"] == []

    play(script)


def test_a_new_session_leaves_nothing_of_the_old_one():
    async def script(bench):
        await bench.open()
        await bench.send(FIRST, 30)
        leaving, waiting = await bench.segment(FIRST + 30, 10), await bench.segment(FIRST + 40, 10)
        await bench.open(5_000)
        await bench.outcome("sent", leaving, leaving=True)
        fresh = await bench.segment(5_001, 10)
        assert (fresh["reasons"], fresh["advance"], fresh["old"], fresh["load"]) == ([], 10, 0, None)
        await bench.outcome("sent", waiting)  # stale now
        assert (await bench.segment(5_001, 10))["reasons"] == [Reason.IN_FLIGHT]

    play(script)


@pytest.mark.parametrize("action", Action)
def test_a_frame_cut_off_at_the_gate_shuts_the_lane(action):
    async def script(bench):
        await bench.open()
        await bench.outcome("discarded", await bench.segment(FIRST, 5))
        assert bench.ctx.get(bench.session.fenced) == (1 << LANE if action == Action.CUT else 0)

    play(script, actions=action << 2 * LANE)


def test_the_return_path_is_counted_in_order():
    """Octets go on with the session's once; before the last four of these frames some are missing, or are another's."""

    async def script(bench):
        await bench.open()
        await bench.send(FIRST, 30)
        for sequence, length, flags, back, skip in (
            (BACK, 10, ACK, BACK + 10, 0), (BACK, 10, ACK, BACK + 10, None), (BACK + 9, 0, ACK, BACK + 10, None),
            (BACK + 9, 1, ACK, BACK + 10, None), (BACK + 4, 8, ACK, BACK + 12, 6), (BACK, 1400, ACK, BACK + 1400, 12),
            (BACK + 1400, 5, ACK | FIN, BACK + 1406, 0), (BACK + 1400, 5, ACK | FIN, BACK + 1406, None),
            (BACK + 1404, 2, ACK | SYN, BACK + 1406, None), (BACK + 1406, 0, ACK, BACK + 1406, None),
        ):  # fmt: skip
            await bench.evidence(flags, sequence, FIRST, length)
            found = bench.ctx.get(bench.session.back), bench.skip, bench.missing
            assert found == (back, skip, 0), (sequence, length)
        for sequence, port, missing in (
            (BACK + 1407, PORT, 1), (BACK + (1 << 30), PORT, 1), (BACK - (1 << 30), PORT, 0),
            (BACK + 1407, PORT + 1, 0),
        ):  # fmt: skip
            await bench.evidence(ACK, sequence, FIRST, 10, port=port)
            assert (bench.ctx.get(bench.session.back), bench.skip, bench.missing) == (BACK + 1406, None, missing)

    play(script)


def test_a_fin_alone_brings_no_octets():
    async def script(bench):
        await bench.open()
        await bench.evidence(ACK, BACK, FIRST, 10)
        await bench.evidence(ACK | FIN, BACK, FIRST, 10)
        assert (bench.ctx.get(bench.session.back), bench.skip) == (BACK + 11, None)

    play(script)


def test_an_answer_to_a_syn_counts_one_octet():
    async def script(bench):
        frame = await bench.segment(ISN, flags=SYN)
        await bench.outcome("sent", frame)
        assert await bench.evidence(SYN | ACK, BACK - 1, FIRST, 8) == (LANE, PORT)
        assert bench.ctx.get(bench.session.back) == BACK

    play(script)


def test_other_lanes_have_no_sessions():
    async def script(bench):
        found = await bench.segment(FIRST, 5, lane=LANE ^ 1)
        assert (found["segment"], found["reasons"], found["mute"]) == (0, [], 0)

    play(script)
