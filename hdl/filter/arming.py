"""Reopens lanes: the two-step arm."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.kill import FIRM
from hdl.wire.verdict import LANES, Refusal

_STIRRING = 8  # low bits of `now` that are mixed in
_TAPS = 0xA3000000  # x^32 + x^30 + x^26 + x^25 + 1, a shift register of full length


class Arming(wiring.Component):
    """Opens lanes for an arm that brings the nonce given before, and tells why it does not.

    First step: ``nonce_request`` makes a new ``nonce``, there from the next cycle on. Second step: ``arm`` with that
    nonce, the lanes and the CRC-32 of the configuration that the host means; ``done`` answers two cycles later, with
    ``open`` or with the lowest refusal that holds. The conditions are sampled one cycle before ``done``.

    A nonce is good for one arm, whether that opens or is refused, and only while no kill has been requested since it
    was given, of any lane: a kill between the two steps is never armed away unseen. A request in the cycle of ``open``
    itself is the latch's matter, where it wins.

    Members
    -------
    now : In(64)
        Stirs the nonce.
    nonce_request : In(1)
        Strobe.
    nonce : Out(32)
        The nonce given last; stable until the next request. Not a secret: it shows that the host has read the board.
    arm : In(1)
        Strobe. One at a time: not before ``done`` of the one before.
    arm_nonce, arm_lanes, arm_crc : In(32), In(8), In(32)
        Taken with ``arm``.
    config_crc : In(32)
    loop_open, fault, watchdog_expired, tables_busy : In(1)
        Levels that refuse an arm.
    request : In(8)
        Of the kill sources.
    open : Out(8)
        Strobes: the lanes to open.
    lift : Out(1)
        Strobe with ``open``: the whole firm is armed, which lifts the blocks of symbols.
    done, refusal : Out(1), Out(3)
        Strobe, and the `Refusal` with it; 0 is none.
    """

    now: In(64)
    nonce_request: In(1)
    nonce: Out(32, init=1)
    arm: In(1)
    arm_nonce: In(32)
    arm_lanes: In(LANES)
    arm_crc: In(32)
    config_crc: In(32)
    loop_open: In(1)
    fault: In(1)
    watchdog_expired: In(1)
    tables_busy: In(1)
    request: In(LANES)
    open: Out(LANES)
    lift: Out(1)
    done: Out(1)
    refusal: Out(3)

    def __init__(self):
        super().__init__()
        # State that the proof's invariants speak of.
        self.fresh = Signal()  # the nonce is given, not used, and nothing was killed since
        self.checking = Signal()  # an arm came in the cycle before, with
        self.nonce_right = Signal()
        self.config_right = Signal()
        self.lanes = Signal(LANES)

    def elaborate(self, platform):
        m = Module()
        firm = Signal()
        killing = self.request.any()

        random = Signal(32, init=1)
        m.d.sync += random.eq(random[1:] ^ Mux(random[0], _TAPS, 0) ^ self.now[:_STIRRING])
        with m.If(self.nonce_request):
            m.d.sync += [self.nonce.eq(random), self.fresh.eq(1)]
        with m.Elif(self.arm):
            m.d.sync += self.fresh.eq(0)
        with m.If(killing):
            m.d.sync += self.fresh.eq(0)

        m.d.sync += [
            self.checking.eq(self.arm),
            self.nonce_right.eq((self.arm_nonce == self.nonce) & self.fresh & ~killing),
            self.config_right.eq(self.arm_crc == self.config_crc),
            self.lanes.eq(self.arm_lanes),
            firm.eq(self.arm_lanes == FIRM),
        ]

        refusal = Signal(3)
        with m.If(self.loop_open):
            m.d.comb += refusal.eq(Refusal.LOOP_OPEN)
        with m.Elif(self.fault):
            m.d.comb += refusal.eq(Refusal.FAULT)
        with m.Elif(~self.config_right):
            m.d.comb += refusal.eq(Refusal.CONFIG)
        with m.Elif(self.watchdog_expired):
            m.d.comb += refusal.eq(Refusal.WATCHDOG)
        with m.Elif(~self.nonce_right | killing):
            m.d.comb += refusal.eq(Refusal.NONCE)
        with m.Elif(self.tables_busy):
            m.d.comb += refusal.eq(Refusal.BUSY)

        # As `refusal` says, but not by way of it, which comes late.
        holds = Cat(self.loop_open, self.fault, self.watchdog_expired, self.tables_busy, killing)
        opening = self.checking & self.config_right & self.nonce_right & ~holds.any()
        m.d.sync += [
            self.done.eq(self.checking),
            self.refusal.eq(refusal),
            self.open.eq(Mux(opening, self.lanes, 0)),
            self.lift.eq(opening & firm),
        ]
        return m
