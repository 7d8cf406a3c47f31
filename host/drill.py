"""The drill `knight`: the morning of 1 August 2012 on eight emulated routers, with a filter in the wire.

Seven servers run the new build, the eighth the old one, and the deployer reports eight successes. At the open the
eighth runs away until its gross notional reaches the lane's limit and the filter kills the lane; the other seven go
on. The operator kills the firm in the middle of a burst. Arming is refused while the loop is open, and then because
the servers, asked one by one, do not run the same build. After the repair all eight trade again.

Over TCP the eight sessions are up before the morning and stay up through both kills: what is cancelled meanwhile is
cancelled, and the repaired server begins a session of its own.

With evidence the board's positions are the exchange's: they are compared, and what rests is cancelled before they are
cleared.

Facts, and which figure stands for what, are the reference's; rates and order flow are a model.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from hdl.wire.event import Kind
from hdl.wire.registers import PARENTS, Count, Reg
from hdl.wire.verdict import FIRST_TRIP, LANES, LAST_TRIP, Reason, Refusal, Source
from host import loader, router
from host.book import Holding
from host.config import CYCLES_PER_S, Limits
from host.datagrams import Datagrams
from host.device import ALL_LANES, ArmRefused, Captures, Device, Event, name_reason
from host.entered import entered
from host.errors import HostError, NoBoard, UsageError, VerificationError
from host.outcome import BAD, Killed, Outcome, Script, clock
from host.reconcile import differing
from host.recorder import Recorder
from host.rig import Frame, Movement, Rig
from host.router import Sent
from host.streams import Streams
from host.traffic import Traffic

DAY_NS = 1_343_793_600_000_000_000  # 1 August 2012, 00:00 in New York
PROGRESS_S = 10.0
EVENTS_FILE, LOG_FILE = "events.jsonl", "drill.log"
QUIET_S = 0.25  # in which all that is on its way has arrived

Say = Callable[[str], None]


class Drill:
    """One run on a rig. `run` plays the script, `outcome` and `recorder` keep what was found whatever happens."""

    def __init__(self, rig: Rig, limits: Limits, folder: Path, *, seed: int, script: Script | None = None, say: Say):
        script = script or Script()
        lacking = sorted(set(range(1, LANES + 1)) - {lane.number for lane in limits.lane})
        if lacking or not limits.symbols:
            what = f"lanes {lacking}" if lacking else "a symbol"
            raise UsageError(f"the drill needs eight lanes and a symbol; the limits lack {what}")
        self.rig = rig
        self.device = Device(rig.control, name=f"the {rig.name} board")
        self.folder = folder
        self._limits = limits
        self._prices = prices = router.prices_of(sorted(limits.symbols), seed)
        self._parents = router.parents_of(script.parents, prices, seed)
        self._more = router.parents_of(script.more_parents, prices, seed, first=script.parents + 1)
        behind = script.parents + script.more_parents + 1
        self._accounts = router.accounts_of(list(limits.symbols), behind, PARENTS - behind)
        self.image = self._build(self._parents)
        protocol = protocol_of(limits)
        self.outcome = Outcome(script, limits, protocol, seed, rig.name, rig.clock, rig.core_sha256)
        self.recorder = Recorder(folder, limits, epoch_ns=DAY_NS + round(script.power_s * 1e9))
        self._say = say
        self._events = (folder / EVENTS_FILE).open("w")
        self._log = (folder / LOG_FILE).open("w")
        self.servers = [
            router.Server(number, router.OLD_BUILD, seed, prices, script.peg_per_s, accounts=self._accounts)
            for number in range(1, LANES + 1)
        ]
        self.streams = Streams(limits, self._filled, seed=seed, start_s=script.power_s) if protocol == "tcp" else None
        self.traffic: Traffic = self.streams or Datagrams(limits, self._filled)
        self._now_s = script.power_s
        self._next_event = 0
        self._killed = ALL_LANES
        self._last_pass = 0
        self._baseline: list[list[int]] = []
        self._captures: Captures | None = None
        self._heard = limits.lane[0].evidence
        self._cleared: dict[str, Holding] = {}  # what the exchange had when the board began anew

    def close(self) -> None:
        """Close the files; what was recorded until now is valid."""
        self.recorder.close()
        self._events.close()
        self._log.close()

    def run(self, *, until_killed: bool = False) -> None:
        """Play the script, or up to the operator's kill.

        Raises HostError; a board that is gone by then is a failed drill, not a missing board.
        """
        self.device.check()
        phases = [self._morning, self._runaway, self._kill_firm]
        try:
            for phase in phases if until_killed else [*phases, self._refuse, self._repair, self._close_of_drill]:
                phase()
            self.outcome.ended = self.rig_now()
        except NoBoard as error:
            self.say(f"the drill ends here: {error}")
            raise HostError(f"drill failed: {error}; what was recorded is in {self.folder}") from None

    def say(self, text: str, cycle: int | None = None) -> None:
        """Tell what happened, at a cycle or now."""
        day_s = self._now_s if cycle is None else self.outcome.day_s(cycle)
        self.outcome.lines.append((day_s, text))
        line = f"{clock(day_s)}  {text}"
        print(line, file=self._log, flush=True)
        self._say(line)

    # The phases.

    def _morning(self) -> None:
        script, device = self.outcome.script, self.device
        self.outcome.zero = self.rig.run().now
        self._baseline = device.counters()
        self._next_event = device.events_written()
        self.rig.loop(closed=True)
        if device.killed() != ALL_LANES:
            device.kill()
        loader.load(device, self.image, anew=True)
        count = len(self.image.held)
        self.say(
            f"the board powered up killed; {count} words of limits loaded, CRC {self.image.crc:#010x} confirmed: "
            f"{len(self.image.limits.symbols)} symbols, ${self.image.limits.lane_of(BAD).gross:,} gross a lane"
        )
        reports = router.deploy(router.NEW_BUILD, self.servers, unreachable=[BAD])
        self.say(f"the deployer reports {len(reports)} successes: {reports[0]} ... {reports[-1]}")
        self.outcome.builds = {server.number: server.report_build() for server in self.servers}
        self.image = loader.tag(device, self.image, self.outcome.builds)
        self.say("each lane lets through the build that its server runs: nobody compares them")
        for at, parent in enumerate(self._parents):
            self.servers[at % LANES].take(parent)
        self.say(f"{script.parents} parent orders wait for the open, dealt round robin")
        self._sleep(script.connect_s)
        self._connect()
        self._sleep(script.arm_s)
        self._arm()
        self.say("armed, as on the day: on the deployer's word, no server was asked")
        while self._now_s < script.open_s:
            self._sleep(min(script.open_s, self._now_s + script.step_s))
            self.device.heartbeat()
        self.outcome.opened = self._cycle(script.open_s)
        self.outcome.connected = self.traffic.connected
        self.say("the open")

    def _runaway(self) -> None:
        self._trade(self.outcome.script.operator_s)
        counters = self._counters()
        self.outcome.dropped_before_kill = {
            lane: counters[lane - 1][Count.ORDERS_IN] - counters[lane - 1][Count.ORDERS_OUT]
            for lane in range(1, LANES + 1)
        }

    def _kill_firm(self) -> None:
        self._burst(LANES - 1)
        self.device.kill()
        self._settle()
        self._drain()
        self._trade(self._now_s + self.outcome.script.after_kill_s)
        self._sleep(self._now_s + QUIET_S)
        self._reconcile()
        self.outcome.gross = self.device.gross()
        self.outcome.notional = self.traffic.notional()

    def _refuse(self) -> None:
        self._sleep(self.outcome.script.pulled_s)
        self.rig.loop(closed=False)
        self.say("the operator pulls the loop's key and calls for a restart")
        try:
            self._arm()
        except ArmRefused as error:
            self._refused(str(error))
            if error.refusal != Refusal.LOOP_OPEN:
                raise VerificationError(f"the board refused to arm for {error.refusal.name}, not LOOP_OPEN") from None
        else:
            raise VerificationError("the board armed while its loop was open")
        self.rig.loop(closed=True)
        self.say("the loop is closed again")
        try:
            router.attest(self.servers)
        except router.FleetDiffers as error:
            self._refused(str(error))
        else:
            raise VerificationError("the servers said that they run the same build, which they do not")

    def _repair(self) -> None:
        script = self.outcome.script
        self._sleep(script.repaired_s)
        router.deploy(router.NEW_BUILD, self.servers)
        self._cancel_all()
        self._restart()
        build = router.attest(self.servers)
        self.device.write(Reg.CLEAR_EXPOSURE, [1])
        self._cleared = self.streams.holdings() if self.streams else {}
        self._settle()
        if self._needs_parents:  # a clear forgets them
            self.image = self._build([*self._parents, *self._more])
            loader.load(self.device, self.image)
        self.image = loader.tag(self.device, self.image, dict.fromkeys(self.outcome.builds, build))
        self.say(f"server {BAD} repaired; each of the eight servers, asked itself, runs {build}: no lane takes another")
        opened = self._arm()
        self.outcome.kills = [
            Killed(kill.at, kill.source, kill.lanes, kill.t_effective, opened) for kill in self.outcome.kills
        ]
        self.say("exposure cleared by the operator (logged), armed: heartbeat, nonce, CRC of the limits")
        for at, parent in enumerate(self._more):
            self.servers[at % LANES].take(parent)
        self._trade(self._now_s + script.clean_s)

    def _close_of_drill(self) -> None:
        begin, end = self._burst(LANES)
        self.rig.loop(closed=False, at=(begin + end) // 2)
        self._settle()
        self._drain()
        self.rig.loop(closed=True)
        self._sleep(self._now_s + self.outcome.script.rest_s)
        self._take(self.rig.run(self.rig_now() + 4000))
        self._reconcile()
        self.outcome.counters = self._counters()
        self.outcome.told = self.streams.told() if self.streams else None
        self.say("end of the drill: the loop was opened in a burst, every lane is killed")

    # The parts.

    @property
    def _needs_parents(self) -> bool:
        return any(lane.needs_parent for lane in self._limits.lane)

    def _build(self, parents: list[router.Parent]) -> loader.Image:
        """Return the configuration; if lanes need parents, it has what was entered, and no others."""
        if not self._needs_parents:
            return loader.build(self._limits)
        return loader.build(msgspec.structs.replace(self._limits, parents=entered(parents, self._accounts)))

    def rig_now(self) -> int:
        """Record what happened until now and return the cycle."""
        moved = self.rig.run()
        self._take(moved)
        return moved.now

    def _cycle(self, day_s: float) -> int:
        return self.outcome.zero + round((day_s - self.outcome.script.power_s) * CYCLES_PER_S)

    def _run(self, until: int) -> int:
        """Let time pass until a cycle, in rounds as long as what is on its way allows; return the cycle then."""
        now = self.rig_now()
        while now < until:
            end = self.traffic.horizon(now, until)
            self._queue(now, end)
            moved = self.rig.run(end)
            self._take(moved)
            now = moved.now
        return now

    def _queue(self, now: int, until: int) -> list[Frame]:
        """Give the rig what is to be sent until a cycle."""
        frames = self.traffic.frames(now, until)
        if frames:
            self.rig.send(frames)
            self.recorder.queue(frames)
        return frames

    def _take(self, moved: Movement) -> None:
        self.recorder.take(moved)
        self.traffic.take(moved)

    def _sleep(self, day_s: float) -> None:
        """Let quiet time pass."""
        self._now_s = max(day_s, self.outcome.day_s(self._run(self._cycle(day_s))))

    def _settle(self) -> None:
        """Let what is queued come out."""
        self._now_s = self.outcome.day_s(self._run(max(self.rig_now(), self.traffic.free) + 4000))

    def _connect(self) -> None:
        """Let every server that has no session log in."""
        if self.streams:
            for server in self.servers:
                if server.number not in self.streams.connected:
                    self.streams.connect(server.number, self._cycle(self._now_s))
            self._sleep(self._now_s + 1)
            self.say(f"{len(self.streams.connected)} of {LANES} servers are logged in, over TCP")

    def _restart(self) -> None:
        """Let the repaired server begin anew."""
        if self.streams:
            self.streams.close(BAD, self._cycle(self._now_s))
            self._sleep(self._now_s + 1)
            self._connect()

    def _cancel_all(self) -> None:
        """Let the servers cancel what rests: the board, once cleared, would know nothing of it."""
        if self._heard:
            canceled = [sent for server in self.servers for sent in server.cancel_all(self._now_s)]
            self._send(canceled)
            self._sleep(self._now_s + 1)
            self.say(f"the servers have cancelled what rests: {len(canceled)} cancels sent on killed lanes")

    def _reconcile(self) -> None:
        """Compare the positions of the board with the exchange's books, symbol by symbol."""
        if self.streams and self._heard:
            indices = self.image.directory.indices
            unlike = differing(self.device, indices, self.streams.holdings(), self._cleared)
            self.outcome.reconciled += len(indices)
            self.outcome.unlike += unlike
            self.say(f"{len(indices) - len(unlike)} of {len(indices)} positions are the exchange's")

    def _arm(self) -> int:
        """Arm all lanes; return the cycle at which that had happened."""
        self.device.arm(self.image.crc)
        self._killed = 0
        self._captures = None
        return self.rig_now()

    def _trade(self, until_s: float) -> None:
        """Let the servers trade, step by step, with a heartbeat and a look at the board in each."""
        while self._now_s < until_s:
            end_s = min(until_s, self._now_s + self.outcome.script.step_s)
            self._send([sent for server in self.servers for sent in server.emit(self._now_s, end_s)])
            self._run(self._cycle(end_s))
            self._now_s = end_s
            self.device.heartbeat()
            self._look()
            if (end_s - self.outcome.script.open_s) % PROGRESS_S == 0:
                self._tell_progress()

    def _tell_progress(self) -> None:
        lanes = range(1, LANES + 1)
        offered = {lane: self.recorder.orders_offered(lane) for lane in lanes}
        left = {lane: self.recorder.orders_left(lane) for lane in lanes}
        others = [sum(counts[lane] for lane in lanes if lane != BAD) for counts in (offered, left)]
        self.say(
            f"lane {BAD} offered {offered[BAD]:,} orders, {left[BAD]:,} went out; "
            f"the other seven offered {others[0]:,}, {others[1]:,} went out"
        )

    def _burst(self, lanes: int) -> tuple[int, int]:
        """Let the first `lanes` servers send back to back from now on; return the first cycle of it and the last."""
        begin = max(self.rig_now() + 100, self.traffic.free)
        now_s = self.outcome.day_s(begin)
        self._send([self.servers[at % lanes].burst(now_s) for at in range(self.outcome.script.burst)])
        self._queue(begin, begin + 1)
        return begin, self.traffic.free

    def _send(self, messages: list[Sent]) -> None:
        """Let the servers send messages, each at its time or as soon as the line is free."""
        timed = [(self._cycle(sent.at_s), sent) for sent in sorted(messages, key=lambda sent: sent.at_s)]
        self.traffic.enter(timed)
        for at, sent in timed:
            if sent.order_id.startswith(router.OLD_BUILD) and sent.parent and not self.outcome.first_bad:
                self.outcome.first_bad = at
                self.say(f"lane {BAD}: Power Peg sends its first child order", at)

    def _filled(self, lane: int, user_ref: int, quantity: int) -> None:
        self.servers[lane - 1].filled(user_ref, quantity)

    def _look(self) -> None:
        """Read the state and a sample of the captures; read the events when a lane was killed."""
        passage = self.device.passage()
        if passage.start != self._last_pass:
            self._last_pass = passage.start
            self.outcome.t_pass.append(passage.t_pass)
        if self.device.killed() != self._killed:
            self._drain()
        else:
            # Drops of a lane known to be killed are counted, not read: the log must have room for the next kill.
            written = self.device.events_written()
            if written - self._next_event > 64:
                self.outcome.events_passed_over += written - self._next_event
                self.device.events(written, 1)
                self._next_event = written

    def _drain(self) -> None:
        """Read the events that wait, and note the kills among them."""
        found = self.device.events(self._next_event)
        if found:
            self._next_event = found[-1].sequence + 1
        for event in found:
            values = {name: getattr(event, name) for name in event.__dataclass_fields__}
            print(json.dumps(values | {"kind": event.kind.name, "text": event.describe()}), file=self._events)
        self._events.flush()
        captures = self.device.captures()
        for event in found:
            if event.kind == Kind.KILL:
                self._note_kill(event, captures, _why(event, found))
        self._captures = captures
        self._killed = self.device.killed()

    def _note_kill(self, event: Event, captures: Captures, why: str) -> None:
        source = Source(event.reason)
        first = not self._captures or not self._captures.kill_at
        edge = captures.kill_at if first else event.at
        later = captures.after_end if first or captures.after_end != self._captures_after_end() else 0
        t_effective = max(0, later - edge) if later else 0
        self.outcome.kills.append(Killed(edge, source, event.user_ref, t_effective))
        if source == Source.BREACH:
            self.outcome.t_breach.append(captures.breach_after)
        text = event.describe()
        if source == Source.BREACH and why:
            text += f" ({why})"
        if source == Source.BREACH and event.user_ref == 1 << (BAD - 1):
            gross = self.device.gross()[BAD - 1]
            text += f": ${gross / 10_000:,.2f} gross released"
            text += ", the next order would have crossed its limit" if why == name_reason(Reason.LANE_GROSS) else ""
        self.say(text, edge)

    def _captures_after_end(self) -> int:
        return self._captures.after_end if self._captures else 0

    def _refused(self, text: str) -> None:
        self.outcome.refusals.append(text)
        self.say(text)

    def _counters(self) -> list[list[int]]:
        """Return what the board counted since the drill began."""
        return [
            [(now - before) % (1 << 32) for now, before in zip(row, base, strict=True)]
            for row, base in zip(self.device.counters(), self._baseline, strict=True)
        ]


def _why(kill: Event, events: Sequence[Event]) -> str:
    """Return for what an order of a killed lane was stopped that can bring about a kill, and nearest to it; or ""."""
    stopped = (Kind.DROP, Kind.NEUTRALISE, Kind.FENCE)
    found = [
        event
        for event in events
        if event.kind in stopped and FIRST_TRIP <= event.reason <= LAST_TRIP and kill.user_ref >> event.lane & 1
    ]
    return name_reason(min(found, key=lambda event: abs(event.at - kill.at)).reason) if found else ""


def protocol_of(limits: Limits) -> str:
    """Return what the lanes speak. Raises UsageError when they differ, or speak what the drill does not."""
    spoken = {lane.protocol for lane in limits.lane}
    if len(spoken) != 1:
        raise UsageError(f"the drill's lanes all speak udp or all tcp; the limits have {' and '.join(sorted(spoken))}")
    if other := [lane.number for lane in limits.lane if lane.dialect != "5.0"]:
        raise UsageError(f"the drill speaks OUCH 5.0; the limits have lanes {other} on another dialect")
    if 0 < (heard := sum(lane.evidence for lane in limits.lane)) < len(limits.lane):
        raise UsageError(f"the drill's lanes all have evidence or none has; {heard} of {len(limits.lane)} have it")
    return spoken.pop()
