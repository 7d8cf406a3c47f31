"""Situations for the whole filter, each worked out for one property; the golden model says what must come of them.

A scene is a function of an engine (`sim.engine.Engine`, or the pins under cocotb) just after reset. It raises
`AssertionError` when the core does something else than the model, or the model something else than the property.
"""

from dataclasses import dataclass, field
from random import Random

from hdl.wire import ouch
from hdl.wire.control import Op, Status
from hdl.wire.event import Kind
from hdl.wire.registers import Reg
from hdl.wire.verdict import LANES, Reason, Source
from sim import packets
from sim.duel import ALL, FREE, LEAVE, LOOP_CYCLES, SERIAL_CYCLES, Duel, request
from sim.engine import Carrier as Wire
from sim.model import Config
from sim.packets import PREAMBLE, cancel, datagram, enter, packet, replace
from sim.parents import Parent
from sim.parse import lenient
from sim.talk import Talk
from sim.traffic import Carrier, Traffic, place

SERVERS = packets.servers()
SYMBOL, OTHER = b"ACME    ", b"ZVZZT   "
PLENTY = 1 << 39
GAP = 12
DELAY = 5  # cycles from a frame's last octet in to its first preamble octet out
BOUND = 4  # cycles after a kill edge in which an order may still complete


@dataclass
class Stand:
    """Eight lanes, two symbols, limits that nothing reaches; what a scene needs otherwise it changes."""

    config: Config = field(
        default_factory=lambda: Config(
            policy=3,
            lanes=[server.key for server in SERVERS],
            enabled=ALL,
            order_size=999_999,
            symbols={SYMBOL: 300, OTHER: 7},
            limits={(index, buy): PLENTY for index in (300, 7) for buy in (True, False)},
            gross_limits=[1 << 62] * 9,
            **lenient(packets.TAG_OF_ORDERS, (300, 7)),
        )
    )

    def __post_init__(self):
        self.key, self.slots = place(Random(1), self.config.symbols)


def order(lane: int = 0, quantity: int = 1, *, symbol: bytes = SYMBOL, count: int = 1) -> bytes:
    """Return the frame of a lane's datagram with orders to buy at $1."""
    return datagram(SERVERS[lane], *[enter(1, symbol, quantity, 10_000)] * count)


def idle(lane: int = 0, length: int = 64) -> bytes:
    """Return a frame of a lane without orders, of `length` octets."""
    body = packets.ipv4(SERVERS[lane], packets.udp(SERVERS[lane], packet(cancel(1))))
    return packets.ethernet(body, SERVERS[lane].vids, least=length - 4)


def carriers(*frames: bytes, gap: int = GAP, preamble: bytes = PREAMBLE) -> list[Carrier]:
    return [Carrier(gap, preamble + frame) for frame in frames]


def completed_after(duel: Duel) -> int:
    """Return how many orders left later than 4 cycles after their lane's kill edge, by what left the model."""
    edges = duel.model.kills.edges
    late = 0
    for left in duel.model.left:
        killed = [at for at, lanes, _ in edges if lanes >> left.kept.lane & 1 and at < left.end]
        opened = [at for at, lanes in duel.model.kills.opened if lanes >> left.kept.lane & 1 and at < left.end]
        if killed and max(killed) > max(opened, default=0) and left.er_at is None and left.end > max(killed) + BOUND:
            late += left.orders
    return late


def kill_at_every_octet(engine):
    """P1: the loop opens in each cycle of an order's way out, from before its verdict to after its end."""
    duel = Duel(Stand(), engine)
    frame = order()
    span = len(PREAMBLE) + len(frame)
    first = GAP + span - 12  # a little before the frame's last octet comes in
    for after in range(first, first + span + 40):
        duel.arm(events=LEAVE)
        duel.play(carriers(frame), loop=[(after, 1)], events=LEAVE)
        if after % 40 == 20:
            duel.compare(FREE)
    duel.compare()
    duel.audit()
    kinds = {event.kind for event in duel.model.events()}
    assert {Kind.DROP, Kind.ABORT, Kind.KILL} <= kinds, "no kill dropped, or none aborted"
    aborted = [left for left in duel.model.left if left.er_at is not None]
    # Every octet that can be on the pins when the error begins: all but the first one of the preamble.
    assert {left.er_at - left.at for left in aborted} == set(range(1, span))
    assert completed_after(duel) == 0
    assert duel.model.budget.exposure[2 * 300] == sum(left.er_at is None for left in duel.model.left)


def kill_of_a_queue(engine):
    """P1, P8: orders that wait behind a long frame are discarded, one a cycle; others leave; exposure is given back."""
    duel = Duel(Stand(), engine)
    for step in range(12):
        duel.arm(events=LEAVE)
        frames = [idle(1, 1500), *(order(lane % 3) for lane in range(9)), idle(0), order(4)]
        duel.play(carriers(*frames), kills=[(step * 110, 0b101)], events=FREE)
        duel.play(carriers(order(0), idle(0), order(1)), loop=[(400, 1)])
    duel.audit()
    assert completed_after(duel) == 0
    counters = duel.model.counters
    assert sum(row[16 + Reason.KILLED] for row in counters) > 50


def nothing_but_the_arm_opens(engine):
    """P2: no register write, table load, clear, heartbeat, event read, wrong or stale arm opens a killed lane."""
    duel = Duel(Stand(), engine)
    console = duel.console
    duel.arm()
    duel.play(carriers(order(0)), loop=[(50, 20)])
    for register in Reg:
        for value in (0xFFFFFFFF, 0):
            console.request(Op.WRITE, register, [value])
    for op in (Op.KILL, Op.HEARTBEAT, Op.EVENTS, Op.READ, 0, 8, 0x7F):
        console.request(op, 0, [1])
    (crc,) = console.read(Reg.CONFIG_CRC)
    (nonce,) = console.ask(Op.NONCE)
    refused = [console.request(Op.ARM, 0, [wrong, ALL, crc])[0] for wrong in (nonce ^ 1, nonce, 0)]
    (nonce,) = console.ask(Op.NONCE)
    refused.append(console.request(Op.ARM, 0, [nonce, ALL, crc ^ 1])[0])
    assert all(status > Status.ARM_REFUSED for status in refused), refused
    frames = [(engine.now + 100, order(lane)) for lane in range(LANES)]
    console.outputs.append(engine.run(engine.now + 20_000, carriers=[Wire(*frame) for frame in frames]))
    assert not any(len(out.killed) for out in console.outputs), "a killed lane opened"
    assert not any(len(out.frames) for out in console.outputs), "an order left a killed lane"


def kill_while_arming(engine):
    """P3: the loop opens in each cycle around the one in which an arm opens the lanes: they end up killed."""
    duel = Duel(Stand(), engine)
    console = duel.console
    delay = 0
    for shift in (None, *range(-8, 9)):
        (nonce,) = console.ask(Op.NONCE)
        octets = request(Op.ARM, 0, [nonce, ALL, duel.config_crc])
        at = engine.now + 100
        opens = at + 10 * len(octets) * engine.uart_divisor + delay
        loop = [] if shift is None else [(opens + shift, False), (opens + shift + 1, True)]
        out = engine.run(engine.now + 30_000, control=[(at, octets)], loop=loop)
        changes = out.killed.tolist()
        if shift is None:
            ((opened, mask, _),) = changes
            assert mask == 0
            delay = opened - 1 - opens
            duel.model.open(opened - 1, ALL)
            duel.model.rest()
            console.outputs.append(out)
            duel.play([], loop=[(50, 1)])
            continue
        edge = opens + shift + LOOP_CYCLES
        if changes:  # opened just before, and killed again by the edge
            assert changes[-1][:2] == (edge + 1, ALL), (shift, changes)
            assert changes[0][1] == 0 and changes[0][0] <= edge, (shift, changes)
    assert changes, "the last one was late enough to see the lanes open"
    duel.play(carriers(order(0)), loop=[(10, 1)], events=FREE)


def kill_in_every_state(engine):
    """P3: unarmed, in the midst of a configuration, with the loop open already: a kill acts, and arming is refused."""
    duel = Duel(Stand(), engine)
    console = duel.console
    engine.run(engine.now + 100, loop=[(engine.now, False)])
    (nonce,) = console.ask(Op.NONCE)
    assert console.request(Op.ARM, 0, [nonce, ALL, duel.config_crc])[0] == Status.ARM_REFUSED + 1  # LOOP_OPEN
    (state,) = console.read(Reg.STATE)
    assert state & 0x1FF == 0x1FF
    engine.run(engine.now + 100, loop=[(engine.now, True)])
    duel.arm(0x0F)
    write = request(Op.WRITE, Reg.POLICY, [0])
    # While a write comes in the serial line of course takes no command: the loop opens in the midst of it.
    duel.model.kill(engine.now + 500 + LOOP_CYCLES, ALL, Source.LOOP)
    loop = [(engine.now + 500, False), (engine.now + 501, True)]
    console.outputs.append(engine.run(engine.now + 20_000, control=[(engine.now, write)], loop=loop))
    duel.model.rest()
    duel.compare()
    assert duel.model.kills.edges[-1][1] == 0x0F


def unset_configuration_passes_nothing(engine):
    """P4: nothing leaves after power-up, nor when it is armed with nothing configured."""
    duel = Duel(Stand(Config()), engine)
    foreign = packets.ethernet(bytes(28), ethertype=packets.ARP)
    frames = carriers(order(0), idle(1), foreign, order(4, count=3))
    duel.play(frames)
    duel.arm()
    duel.play(frames)
    duel.audit()
    assert not duel.model.left


def missing_limits_are_zero(engine):
    """P4: lanes are configured, but a symbol's limit, a lane's, and the directory have holes: orders there stop."""
    stand = Stand()
    stand.config.limits, stand.config.gross_limits = {(300, True): 5}, [1 << 50, 0, *[1 << 50] * 7]
    duel = Duel(stand, engine)
    duel.arm()
    frames = order(0, symbol=OTHER), order(2, symbol=b"NONE"), order(3, 6), order(0), order(1)
    duel.play(carriers(*frames[1:2], *frames[3:], *frames[:1], *frames[2:3]))
    reasons = [reason for _, _, reason in duel.model.verdicts]
    assert reasons == [Reason.SYMBOL, Reason.PASSED, Reason.LANE_GROSS, Reason.POSITION, Reason.POSITION]


def a_parent_has_no_more_children_than_it_may(engine):
    """P4: orders without a parent stop where the lane is not set to need none; the last share and child pass, no more.

    After a clear there is no parent until it is loaded again.
    """
    stand = Stand()
    stand.config.modes = [16, 16 | 64, *[16] * 6]
    stand.config.parents = {0x1FF: Parent("Z", 300, True, 1000, 4), 8: Parent("A", 300, True, 500, 2)}
    duel = Duel(stand, engine)

    def child(name, quantity, lane=0):
        order_id = packets.TAG_OF_ORDERS + name
        return datagram(SERVERS[lane], enter(1, SYMBOL, quantity, 10_000, order_id=order_id))

    def play(*cases):
        duel.arm()
        before = len(duel.model.verdicts)
        duel.play(carriers(*[child(*case[:-1]) for case in cases]))
        assert [reason for _, _, reason in duel.model.verdicts[before:]] == [case[-1] for case in cases]
        duel.audit()

    stops, full, passes = Reason.PARENT, Reason.CHILDREN, Reason.PASSED
    play(
        (b"Z1FF", 600, passes), (b"Z1FF", 401, stops), (b"Z1FF", 400, passes), (b"Z1FF", 1, stops),
        (b"A008", 1, passes), (b"A008", 1, 7, passes), (b"A008", 1, full), (b"A008", 500, stops),
        (b"Z008", 1, stops), (b"A009", 1, stops), (b"", 1, stops), (b"", 1, 1, passes),
    )  # fmt: skip
    duel.play((), kills=[(100, ALL)])
    duel.clear_exposure()
    play((b"A008", 1, stops), (b"", 1, 1, passes))
    duel.play((), kills=[(100, ALL)])
    duel.load_parents()
    play((b"A008", 500, passes), (b"A008", 1, stops))


def a_replace_holds_the_worse_of_old_and_new(engine):
    """P5: shares up to the position's limit and the parent's, notional of both orders, until the exchange answers."""
    stand = Stand()
    stand.config.modes = [Talk.HEARD, Talk.HEARD | 64, *[80] * 6]
    stand.config.trips = {}
    stand.config.limits[300, True] = stand.config.limits[7, True] = 1_000
    stand.config.parents = {8: Parent("A", 300, True, 1_000, 1), 9: Parent("A", 300, True, 1_000, 1)}
    stand.config.gross_limits[1] = 18_000
    duel = Duel(stand, engine)
    duel.arm()
    child, free = Talk(duel, 0), Talk(duel, 1)

    def ask(original, ref, quantity, price, name=b"A008"):
        return child.send(replace(original, ref, quantity, price, order_id=packets.TAG_OF_ORDERS + name))

    # What is open already is not asked for again.
    assert child.send(enter(1, SYMBOL, 1_000, 10, order_id=b"BLD1A008")) == 0
    assert ask(1, 2, 1_001, 10) == Reason.PARENT
    assert ask(1, 2, 1_000, 10, b"A009") == ask(1, 2, 1_000, 10, b"") == Reason.PARENT
    assert ask(7, 2, 1_000, 10) == Reason.REPLACE
    assert ask(1, 1, 1_000, 10) == Reason.DUPLICATE
    assert ask(1, 2, 1_000, 20) == 0
    assert child.books(300) == (0, 1_000, 30_000)
    assert ask(1, 3, 1_000, 30) == ask(2, 3, 1_000, 30) == Reason.FULL
    child.report("A", 1, 1_000)
    child.report("U", 2, 1_000, original=1)
    assert child.books(300) == (0, 1_000, 20_000)
    assert ask(1, 3, 1_000, 30) == Reason.REPLACE
    # A smaller one reserves nothing, and gives back what it takes away when it is there.
    assert ask(2, 3, 300, 5) == 0
    assert child.books(300) == (0, 1_000, 21_500)
    child.report("U", 3, 300, original=2)
    assert child.books(300) == (0, 300, 1_500)
    assert duel.model.budget.parents.left == {8: [700, 0], 9: [1_000, 1]}

    # More than is open: to the share, to the price step; in the segment of the order that it replaces, too.
    assert free.send(enter(1, OTHER, 600, 10), replace(1, 2, 1_001, 1)) == Reason.POSITION
    assert free.send(replace(1, 2, 12_001, 1)) == Reason.POSITION
    assert free.send(replace(1, 2, 1_000, 13)) == Reason.LANE_GROSS
    assert free.send(replace(1, 2, 1_000, 12)) == 0
    assert free.books(7) == (0, 1_000, 18_000)
    assert free.send(enter(3, OTHER, 1, 1)) == Reason.POSITION
    duel.audit()

    # Beyond a limit that was lowered nothing is added, and what adds nothing passes.
    duel.play((), kills=[(100, ALL)])
    duel.console.write(Reg.EXPOSURE_LIMIT + 4 * 300, [299, 0])
    (duel.config_crc,) = duel.console.read(Reg.CONFIG_CRC)
    duel.model.budget.limits[2 * 300] = 299
    duel.arm()
    assert ask(3, 4, 301, 5) == Reason.POSITION
    assert ask(3, 4, 300, 6) == 0


def a_replace_ends_in_every_way(engine):
    """P5: Replaced, rejected, never left, or gone with its order; what is executed and canceled before and behind."""
    stand = Stand()
    stand.config.modes = [Talk.HEARD | 64, *[80] * 7]
    duel = Duel(stand, engine)
    duel.arm()
    lane, ref = Talk(duel, 0), 0
    # 600 at 10, to be replaced with 1,000 at 12: reports, each with net position, open and gross notional behind it,
    # beside what there was before; of order 0, the old one, or 1, the new one.
    before, replaced = (0, 1_000, 18_000), (("U", 1, 1_000), (0, 1_000, 12_000))
    gone = (0, 0, 0)
    ways = [
        [replaced, (("C", 1, 1_000), gone)],
        [replaced, (("D", 1, 400), (0, 600, 7_200)), (("J", 1), gone)],
        [(("J", 1), (0, 600, 6_000)), (("C", 0, 600), gone)],
        [(("C", 0, 600), gone)],
        [(("J", 0), gone)],
        [(("U", 1, 0), gone)],
        [(("U", 1, 1_000, 0, 0, 1), gone)],
        [(("C", 0, 200), (0, 1_000, 16_000)), replaced, (("M", 1, 50), (0, 50, 600)), (("C", 1, 50), gone)],
        [(("D", 0, 200), (0, 1_000, 16_000)), (("U", 1, 800), (0, 800, 9_600)), (("C", 1, 800), gone)],
        [(("M", 0, 100), (0, 1_000, 13_000)), (("J", 1), (0, 100, 1_000)), (("C", 0, 100), gone)],
        [(("E", 0, 600, 9), (600, 0, 5_400))],
        [(("E", 0, 100, 9), (100, 900, 17_900)), (("U", 1, 900), (100, 900, 11_700)), (("C", 1, 900), (100, 0, 900))],
        [(("E", 0, 100, 9), (100, 900, 17_900)), (("J", 1), (100, 500, 5_900)), (("C", 0, 500), (100, 0, 900))],
        [replaced, (("E", 1, 1_000, 11), (1_000, 0, 11_000))],
    ]
    for way in ways:
        old, ref = ref + 1, ref + 2
        net, opened, gross = lane.books(300)
        assert lane.send(enter(old, SYMBOL, 600, 10)) == 0
        lane.report("A", old, 600)
        assert lane.send(replace(old, ref, 1_000, 12)) == 0
        for report, then in ((None, before), *way):
            if report:
                letter, number, *fields = report
                lane.report(letter, old + number, *fields)
            assert lane.books(300) == (net + then[0], opened + then[1], gross + then[2]), (way, report)
        assert not duel.model.budget.evidence.orders, "an order is still there"
    duel.audit()

    # The loop opens while it waits behind a long frame.
    net, opened, gross = lane.books(300)
    assert lane.send(enter(ref + 1, SYMBOL, 600, 10)) == 0
    lane.send(replace(ref + 1, ref + 2, 1_000, 12), behind=idle(3, 1_500), loop=[(2_000, 1)])
    assert lane.books(300) == (net, opened + 600, gross + 6_000)
    duel.arm()
    assert lane.send(replace(ref + 1, ref + 3, 1_000, 12)) == 0
    duel.audit()


def a_replace_behind_an_order_in_two_segments(engine):
    """P5: the order ends with the first octets of the segment; it is judged when the Replace is on its way already."""
    stand = Stand()
    stand.config.modes = [Talk.HEARD | 64, *[80] * 7]
    duel = Duel(stand, engine)
    duel.arm()
    lane = Talk(duel, 0)
    for cut in range(1, 6):
        old, other, new = 3 * cut, 3 * cut + 1, 3 * cut + 2
        assert lane.send(enter(old, SYMBOL, 100, 10)) == 0
        asks = replace(old, new, 150, 12)
        assert lane.send(enter(other, SYMBOL, 5, 10), asks, cut=len(packet(asks)) + cut) == 0
        assert lane.books(300) == (0, 155, 1_000 + 50 + 1_800)
        lane.report("C", old, 40)
        assert lane.books(300) == (0, 155, 600 + 50 + 1_800)
        lane.report("U", new, 150, original=old)
        assert lane.books(300) == (0, 155, 50 + 1_800)
        lane.report("C", new, 150)
        lane.report("C", other, 5)
    assert lane.books(300) == (0, 0, 0)
    duel.audit()


def reset_in_mid_frame(engine):
    """P4: a reset in any part of a frame, in or out, cuts it, kills all, forgets all; its rest is no frame."""
    frame = order(0)
    for offset in range(3, 300, 41):
        duel = Duel(Stand(), engine)
        duel.arm()
        at = engine.now + 100
        frames = [Wire(at, frame), Wire(at, frame), Wire(at, idle(1, 200)), Wire(at + 500, order(0))]
        out = engine.run(engine.now + 5_000, carriers=frames, resets=[(at + offset, 1)])
        for sent in out:
            assert sent.end <= at + offset, "something left after a reset"
            assert sent.octets == frame or sent.end == at + offset, "cut without a reset"
        assert out.killed.tolist() == [(at + offset + 1, ALL, 0)]
        rows = [duel.console.read(Reg.COUNTER + 128 * row, 1)[0] for row in (0, 1, 8)]
        begins = [at, at + 116, at + 232, at + 500]  # of the carriers: 8 octets of preamble, 12 of gap
        after = [begin > at + offset + 1 for begin in begins]
        assert rows == [0, 0, sum(after)], (offset, rows)  # no lane is configured any more
        assert duel.console.read(Reg.EVENTS) == [0], "the log was not emptied"
        engine.run(engine.now + 100, resets=[(engine.now, 1)])


def every_size_leaves_as_it_came(engine):
    """P6: frames of 64 to 1526 octets, tagged and not, back to back and apart: bit-identical, in order, once."""
    duel = Duel(Stand(), engine)
    duel.arm()
    random = Random(6)
    sizes = [*range(64, 140), *(random.randrange(140, 1518) for _ in range(60)), *range(1510, 1519)]
    frames = [idle(random.choice((0, 3, 6)), size) for size in sizes]
    frames += [idle(2, size) for size in (68, 1518, 1522)] + [idle(4, size) for size in (72, 1522, 1526)]
    random.shuffle(frames)
    start = duel.play([Carrier(random.choice((12, 12, 13, 500)), PREAMBLE + frame) for frame in frames])
    assert [left.octets for left in duel.model.left] == frames
    assert start < duel.model.left[0].at
    duel.play(carriers(idle(0, 1519), idle(2, 1523), idle(4, 1527)))
    assert len(duel.model.left) == len(frames)
    duel.audit()


def mixed_sizes_queue(engine):
    """P7: a frame begins to leave 5 cycles after its end, or 13 after its predecessor's, and nothing else delays it."""
    duel = Duel(Stand(), engine)
    duel.arm()
    random = Random(7)
    frames = []
    for _ in range(300):
        draw = random.random()
        frames.append(order(random.randrange(8), count=random.choice((1, 29))) if draw < 0.3 else idle(0, 64))
        if draw > 0.9:
            frames[-1] = idle(1, 1518)
    duel.play([Carrier(random.choice((12, 12, 12, 40)), PREAMBLE + frame) for frame in frames])
    before = -100
    for left in duel.model.left:
        assert left.at == max(left.kept.last_in + DELAY, before + GAP + 1)
        before = left.end
    assert len(duel.model.left) == len(frames)
    duel.audit()


def line_rate(engine):
    """P7, P12: shortest and longest frames, and datagrams of 29 orders, 12 octets apart: no loss, no jitter."""
    duel = Duel(Stand(), engine)
    duel.arm()
    for frames in ([idle(0, 64)] * 300, [idle(0, 1518)] * 20, [order(0, count=29)] * 20, [order(5)] * 100):
        before = len(duel.model.left)
        duel.play(carriers(*frames))
        left = duel.model.left[before:]
        assert len(left) == len(frames)
        assert {frame.at - frame.kept.last_in for frame in left} == {DELAY}
    duel.audit()
    assert duel.model.budget.exposure[2 * 300] == 20 * 29 + 100


def a_killed_lane_touches_no_other(engine):
    """P7: with and without the kill of lane 0, the other lanes' frames are the same, and none is later."""
    duel = Duel(Stand(), engine)
    random = Random(77)
    frames = []
    for number in range(200):
        lane = random.choice((0, 0, *range(1, 8)))
        symbol, count = random.choice((SYMBOL, OTHER)), random.choice((1, 2, 29))
        frames.append(order(lane, symbol=symbol, count=count) if number % 3 else idle(lane, random.randrange(68, 1500)))
    traffic = [Carrier(random.choice((12, 12, 60)), PREAMBLE + frame) for frame in frames]
    seen = []
    for kills in ((), [(30_000, 1)]):
        duel.arm()
        before = len(duel.model.left)
        start = duel.play(traffic, kills=kills)
        seen.append([(left.octets, left.at - start) for left in duel.model.left[before:] if left.kept.lane != 0])
    assert [octets for octets, _ in seen[0]] == [octets for octets, _ in seen[1]]
    assert all(with_kill <= without for (_, without), (_, with_kill) in zip(*seen, strict=True))
    assert duel.model.counters[0][16 + Reason.KILLED] > 20
    duel.audit()


def floods_of_bad_lanes(engine):
    """P7, P8: lane 0 sends what breaches, lane 1 what is malformed, strangers flood: lanes 2 to 7 lose nothing."""
    stand = Stand()
    stand.config.limits[7, True] = 3
    duel = Duel(stand, engine)
    duel.arm()
    stranger = SERVERS[0]._replace(source_port=1)
    bad = [order(0, symbol=OTHER), datagram(SERVERS[1], b"?"), datagram(stranger, cancel(1)), order(1)[:-1] + b"?"]
    frames, good = [], 0
    for number in range(400):
        frames.append(bad[number % 4])
        if number % 8 == 0:
            frames.append(order(2 + number // 8 % 6))
            good += 1
    duel.play(carriers(*frames), events=FREE)
    sent = [left for left in duel.model.left if left.kept.lane >= 2]
    assert len(sent) == good
    assert {left.at - left.kept.last_in for left in sent} == {DELAY}
    duel.audit()


def queue_and_buffer_run_over(engine):
    """P4, P12: frames without preamble, one cycle apart, outrun the way out: what finds no room is dropped whole."""
    duel = Duel(Stand(), engine)
    duel.arm()
    for length, count, preamble in ((64, 300, b"\xd5"), (65, 300, b"\xd5"), (230, 500, b"\xd5")):
        before = duel.model.counters[8][16 + Reason.OVERFLOW]
        duel.play(carriers(*[idle(0, length)] * count, gap=1, preamble=preamble), events=FREE)
        assert duel.model.counters[8][16 + Reason.OVERFLOW] > before
        duel.play(carriers(order(3)))
    duel.audit()


def what_was_given_back_counts_for_the_next_check(engine):
    """P8: a kill discards a queued order; another lane's order for the same budget finds it free from one cycle on."""
    stand = Stand()
    stand.config.limits[300, True] = 10
    duel = Duel(stand, engine)
    passed = []
    for step in range(24):
        duel.arm(events=LEAVE)
        # The first order waits behind a long frame; the second one's check comes 3 cycles later in each step.
        frames = [*carriers(idle(1, 900), order(0, 10)), Carrier(370 + 3 * step, PREAMBLE + order(2, 10))]
        before = len(duel.model.left)
        command = 10 * len(request(Op.KILL, 0, [1])) * engine.uart_divisor
        duel.play(frames, kills=[(1520 - command, 1)], events=LEAVE)
        passed.append(len(duel.model.left) - before == 2)
        duel.play([], loop=[(10, 1)], events=FREE)
        duel.clear_exposure()
    assert passed == sorted(passed) and len(set(passed)) == 2, passed
    duel.audit()


def a_check_that_comes_too_late(engine):
    """P12, P4: reservations of a dropped frame are still being undone when the next frame, one cycle behind, asks."""
    duel = Duel(Stand(), engine)
    duel.arm()
    spoilt = datagram(SERVERS[0], *[enter(1, SYMBOL, 1, 10_000)] * 29, cancel(1)[:-1])
    duel.play(carriers(spoilt) + carriers(order(0), gap=1, preamble=b"\xd5") + carriers(order(2)))
    reasons = [reason for _, _, reason in duel.model.verdicts]
    assert reasons == [Reason.MESSAGE, Reason.BUSY, Reason.PASSED]
    duel.audit()


def a_breach_is_timed_from_its_own_order(engine):
    """T_breach: what BREACH_AFTER tells is the order's own delay, though a Query, of one octet, is right behind it."""
    stand = Stand()
    stand.config.limits[300, True] = 10
    duel = Duel(stand, engine)
    duel.arm()
    duel.play(carriers(datagram(SERVERS[0], enter(1, SYMBOL, 11, 10_000), ouch.QUERY.pack(type=ouch.Message.QUERY))))
    assert duel.model.breached_at is not None
    duel.audit()


def watchdog(engine):
    """P10: heartbeats keep the lanes open; the firm is killed within 1 microsecond of the time-out of the last one."""
    duel = Duel(Stand(), engine)
    console, timeout = duel.console, 40_000
    console.write(Reg.WATCHDOG, [timeout])
    (duel.config_crc,) = console.read(Reg.CONFIG_CRC)
    console.ask(Op.HEARTBEAT)
    duel.arm()
    for _ in range(3):
        console.outputs.append(engine.run(engine.now + 20_000))
        octets = request(Op.HEARTBEAT)
        sent = engine.now + 10 * len(octets) * engine.uart_divisor
        out = engine.run(engine.now + 20_000, control=[(engine.now, octets)], settle=True)
        console.outputs.append(out)
        answered = int(out.control[0][0]) - 10 * engine.uart_divisor
    duel.compare()
    console.outputs.append(engine.run(engine.now + 2 * timeout))
    ((shown, mask, _),) = console.outputs[-1].killed.tolist()
    assert mask == ALL
    assert answered - sent < 300  # so the time-out is known to 300 cycles
    assert sent + timeout < shown <= answered + timeout + 125
    duel.model.kill(shown - 1, ALL, Source.WATCHDOG)
    duel.model.rest()
    duel.compare()
    (nonce,) = console.ask(Op.NONCE)
    status, _ = console.request(Op.ARM, 0, [nonce, ALL, duel.config_crc])
    assert status == Status.ARM_REFUSED + 4  # WATCHDOG


def events_are_never_lost_silently(engine):
    """P11: 400 drops that nobody reads: 256 are kept, and a GAP tells how many are not; numbers have no hole."""
    duel = Duel(Stand(), engine)
    duel.play(carriers(*[order(0)] * 400), events=LEAVE)
    events = duel.read_events(gaps=True)
    lost = [event.user_ref for event in events if event.kind == Kind.GAP]
    told = [event for event in events if event.kind == Kind.DROP]
    assert len(told) + sum(lost) == 400
    assert len(lost) >= 1 and len(told) >= 255
    assert told[:255] == duel.model.events()[:255]
    # Again, after the gap: nothing is lost any more.
    duel.compare(FREE)
    duel.play(carriers(*[order(0)] * 20))


def two_kills_are_two_events(engine):
    """P11: a command kills one lane and the loop, up to 14 cycles later, the others: both edges are told."""
    duel = Duel(Stand(), engine)
    octets = 10 * len(request(Op.KILL, 0, [8]))
    edge = (octets - 1) * engine.uart_divisor + engine.uart_divisor // 2 + SERIAL_CYCLES
    for later in range(1, 15):
        duel.arm()
        duel.play([], kills=[(0, 8)], loop=[(edge - LOOP_CYCLES + later, 1)])
        told = [(event.reason, event.user_ref) for event in duel.model.events()[-2:]]
        assert told == [(Source.SERIAL, 8), (Source.LOOP, ALL & ~8)]


def noise_stops_nothing(engine):
    """P12: after carriers of anything, and anything on the control link, the next frame and request are as ever."""
    traffic = Traffic(12)
    duel = Duel(Stand(), engine)
    duel.arm()
    random = Random(12)
    for _ in range(12):
        noise = [Carrier(random.randrange(1, 30), random.randbytes(random.randrange(1, 400))) for _ in range(12)]
        noise += [traffic.noise() for _ in range(3)]
        duel.play([*noise, *carriers(order(0))], events=FREE)
        assert duel.model.left[-1].at == duel.model.left[-1].kept.last_in + DELAY
        rubbish = random.randbytes(random.randrange(1, 300)) + b"\0"
        engine.run(engine.now + 40_000, control=[(engine.now, rubbish)], settle=True)
        assert duel.console.read(Reg.MAGIC) == [0x31525742]
    duel.audit()


SCENES = (
    kill_at_every_octet,
    kill_of_a_queue,
    nothing_but_the_arm_opens,
    kill_while_arming,
    kill_in_every_state,
    unset_configuration_passes_nothing,
    missing_limits_are_zero,
    a_parent_has_no_more_children_than_it_may,
    a_replace_holds_the_worse_of_old_and_new,
    a_replace_ends_in_every_way,
    a_replace_behind_an_order_in_two_segments,
    reset_in_mid_frame,
    every_size_leaves_as_it_came,
    mixed_sizes_queue,
    line_rate,
    a_killed_lane_touches_no_other,
    floods_of_bad_lanes,
    queue_and_buffer_run_over,
    what_was_given_back_counts_for_the_next_check,
    a_check_that_comes_too_late,
    a_breach_is_timed_from_its_own_order,
    watchdog,
    events_are_never_lost_silently,
    two_kills_are_two_events,
    noise_stops_nothing,
)
