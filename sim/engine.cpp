// Drives the verilated core cycle by cycle: carriers, control octets, loop changes and resets in, with their times;
// carriers, control octets and changes of `killed` out, with theirs. sim/engine.py is the other half and says what the
// fields mean. A cycle: inputs set, rising edge (it puts them on the pins of the core, sim/engine.v), outputs sampled.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <vector>

#include "Vcore.h"
#include "Vcore___024root.h"
#include "verilated.h"
#ifdef TRACED
#include "verilated_vcd_c.h"
#endif

void Vcore___024root___eval(Vcore___024root* root);  // the generated code, in the same translation unit

namespace {

constexpr uint64_t NEVER = ~0ull;
constexpr unsigned REST = 32;            // cycles without `busy`, and without a change at the pins, before time may jump
constexpr unsigned BEFORE_DEADLINE = 4;  // cycles that are simulated before the watchdog's deadline
constexpr unsigned AFTER_DEADLINE = 64;  // a deadline so far in the past means nothing
constexpr uint64_t PATIENCE = 100000;    // cycles that a request may go unanswered on a busy core
constexpr size_t LONGEST = 1 << 16;      // octets of a carrier that are kept
constexpr size_t MOST_OUTPUT = 1 << 28;  // octets of all carriers that wait for collection

struct Spec {  // CARRIER in sim/engine.py
    uint64_t at;
    uint32_t offset, length;
    int32_t er_first;
    uint32_t er_count;
    uint32_t gap;
    uint16_t preamble;
    uint8_t side, reserved;
};

struct Frame {  // FRAME
    uint64_t at, end;
    uint32_t offset, length;
    int32_t er;
    uint32_t er_count;
    uint32_t preamble;
    uint8_t side, cut, reserved[2];
};

struct Moment {  // MOMENT
    uint64_t at;
    uint32_t value;
    uint32_t side;
};

struct Carrier {
    uint64_t at;
    uint32_t number, gap, er_first, er_end;
    std::vector<uint8_t> octets;
};

// Puts one side's carriers on the receive pins.
struct Driver {
    std::deque<Carrier> queue;
    uint64_t due = NEVER;       // when the first of the queue begins
    uint64_t rest_since = 0;    // the cycle after the last octet of the one before
    size_t position = 0;
    bool active = false;

    void schedule() {
        due = NEVER;
        if (!queue.empty()) {
            const Carrier& next = queue.front();
            due = std::max(next.at, rest_since ? rest_since + next.gap : 0);
        }
    }
    void drive(uint64_t now, uint8_t side, uint8_t& data, uint8_t& valid, uint8_t& error, std::vector<Moment>& started) {
        if (!active) {
            if (now < due) return;
            active = true;
            position = 0;
            due = NEVER;
            started.push_back({now, queue.front().number, side});
        }
        const Carrier& carrier = queue.front();
        if (position == carrier.octets.size()) {
            data = valid = error = 0;
            active = false;
            rest_since = now;
            queue.pop_front();
            schedule();
            if (now >= due) drive(now, side, data, valid, error, started);
            return;
        }
        data = carrier.octets[position];
        valid = 1;
        error = position >= carrier.er_first && position < carrier.er_end;
        ++position;
    }
};

// Collects what one side's transmit pins show.
struct Sink {
    std::vector<uint8_t> octets;
    Frame frame{};
    bool active = false, delimited = false;

    void take(uint64_t now, uint8_t data, uint8_t error) {
        if (!active) {
            active = true;
            delimited = false;
            frame = Frame{};
            frame.at = now;
            frame.er = -1;
        }
        if (error) {
            if (frame.er < 0) frame.er = int32_t(octets.size());
            ++frame.er_count;
        }
        if (octets.size() == LONGEST) {
            frame.cut = 1;
            return;
        }
        octets.push_back(data);
        if (!delimited) {
            frame.preamble = uint32_t(octets.size());
            delimited = data == 0xD5;
        }
    }
    void finish(uint64_t now, uint8_t side, std::vector<Frame>& frames, std::vector<uint8_t>& pool) {
        frame.end = now - 1;
        frame.side = side;
        frame.offset = uint32_t(pool.size());
        frame.length = uint32_t(octets.size());
        frames.push_back(frame);
        pool.insert(pool.end(), octets.begin(), octets.end());
        octets.clear();
        active = false;
    }
};

// Shifts octets into uart_rx: 8N1, least significant bit first.
struct Shifter {
    std::deque<std::pair<uint64_t, uint8_t>> queue;
    unsigned divisor = 1, bits = 0, left = 0, word = 0;
    uint64_t frames = 0;  // requests: runs of octets other than 0 that a 0 has ended
    bool inside = false;

    bool active() const { return bits != 0; }
    uint64_t due() const { return queue.empty() ? NEVER : queue.front().first; }
    uint8_t drive(uint64_t now) {
        if (!bits) {
            if (queue.empty() || now < queue.front().first) return 1;
            const uint8_t octet = queue.front().second;
            queue.pop_front();
            word = 0x200u | octet << 1;
            bits = 10;
            left = divisor;
            if (octet == 0) frames += inside;
            inside = octet != 0;
        }
        const uint8_t level = word & 1;
        if (--left == 0) {
            word >>= 1;
            --bits;
            left = divisor;
        }
        return level;
    }
};

// Reads octets from uart_tx in the middle of each bit; an octet is there in the middle of its stop bit.
struct Sampler {
    unsigned divisor = 1, bits = 0, left = 0, word = 0;
    uint64_t frames = 0;
    bool inside = false;

    bool active() const { return bits != 0; }
    bool sample(uint8_t level, uint8_t& octet) {
        if (!bits) {
            if (level) return false;
            bits = 9;
            word = 0;
            left = divisor + divisor / 2;
            return false;
        }
        if (--left) return false;
        left = divisor;
        word |= unsigned(level) << (9 - bits);
        if (--bits) return false;
        octet = uint8_t(word);
        if (octet == 0) frames += inside;
        inside = octet != 0;
        return true;
    }
};

struct Engine {
    VerilatedContext context;
    Vcore core{&context};
    uint64_t now = 0, progress_at = 0;
    unsigned rest = 0;
    uint32_t carriers = 0;
    uint8_t killed = 0xFF;
    Driver drivers[2];
    Sink sinks[2];
    Shifter shifter;
    Sampler sampler;
    std::multimap<uint64_t, uint8_t> loop;
    std::multimap<uint64_t, uint64_t> resets;
    uint64_t reset_until = 0, simulated = 0;
    std::vector<Frame> frames;
    std::vector<uint8_t> octets;
    std::vector<Moment> started, kills, control;
#ifdef TRACED
    VerilatedVcdC wave;
    bool dumping = false;
#endif

    explicit Engine(unsigned divisor) {
        shifter.divisor = sampler.divisor = divisor;
        core.loop_closed = 1;
        core.uart_rx = 1;
        core.rst = 0;
        core.clk = 0;
#ifdef TRACED
        context.traceEverOn(true);
        core.trace(&wave, 99);
#endif
        core.eval();  // power-up: the edge that begins cycle 0 is the core's first, and its pins rested before
    }
    ~Engine() {
#ifdef TRACED
        if (dumping) wave.close();
#endif
        core.final();
    }

    // One rising edge, and the falling one that nothing depends on.
    void edge() {
#ifdef TRACED
        for (unsigned half : {0, 4}) {
            core.clk = half == 0;
            core.eval();
            if (dumping) wave.dump(now * 8 + half);
        }
#else
        // Vcore::eval would do the same, and twice, at a twentieth of the whole run time.
        core.clk = 1;
        core.rootp->__Vtrigprevexpr___TOP__clk__0 = 0;
        Vcore___024root___eval(core.rootp);
#endif
    }

    // The next cycle in which an input changes, if nothing is changing now.
    uint64_t due() const {
        uint64_t first = std::min({drivers[0].due, drivers[1].due, shifter.due()});
        if (!loop.empty()) first = std::min(first, loop.begin()->first);
        if (!resets.empty()) first = std::min(first, resets.begin()->first);
        return first;
    }
    bool at_rest() const {
        return rest >= REST && !drivers[0].active && !drivers[1].active && !shifter.active() && !sampler.active() &&
               !sinks[0].active && !sinks[1].active && now >= reset_until;
    }
    bool settled() {
        if (!shifter.queue.empty() || shifter.active() || sampler.active()) return false;
        if (sampler.frames >= shifter.frames) return true;
        if (!at_rest() && now - progress_at < PATIENCE) return false;
        sampler.frames = shifter.frames;  // what was not answered by now never will be
        return true;
    }

    void cycle() {
        core.now = now;
        drivers[0].drive(now, 0, core.server_rx_data, core.server_rx_dv, core.server_rx_er, started);
        drivers[1].drive(now, 1, core.exchange_rx_data, core.exchange_rx_dv, core.exchange_rx_er, started);
        core.uart_rx = shifter.drive(now);
        bool changed = now < reset_until;
        while (!loop.empty() && loop.begin()->first <= now) {
            core.loop_closed = loop.begin()->second;
            changed = true;
            loop.erase(loop.begin());
        }
        while (!resets.empty() && resets.begin()->first <= now) {
            reset_until = std::max(reset_until, now + resets.begin()->second);
            resets.erase(resets.begin());
        }
        core.rst = now < reset_until;
        edge();
        if (core.server_tx_en)
            sinks[0].take(now, core.server_tx_data, core.server_tx_er);
        else if (sinks[0].active)
            sinks[0].finish(now, 0, frames, octets);
        if (core.exchange_tx_en)
            sinks[1].take(now, core.exchange_tx_data, core.exchange_tx_er);
        else if (sinks[1].active)
            sinks[1].finish(now, 1, frames, octets);
        uint8_t octet;
        if (sampler.sample(core.uart_tx, octet)) {
            control.push_back({now, octet, 0});
            progress_at = now;
        }
        if (shifter.active()) progress_at = now;
        if (core.killed != killed) {
            killed = core.killed;
            kills.push_back({now, killed, 0});
        }
        const uint64_t deadline = core.deadline;
        const bool expiring = now + BEFORE_DEADLINE >= deadline && now - deadline + BEFORE_DEADLINE < AFTER_DEADLINE;
        const bool moved = core.busy || drivers[0].active || drivers[1].active || shifter.active() || expiring;
        rest = moved || changed ? 0 : std::min(rest + 1, REST);
        ++now;
        ++simulated;
    }

    // Returns 0: `until` reached, 1: settled, 2: outputs must be collected first.
    int run(uint64_t until, bool settle) {
        if (settle && settled()) return 1;
        while (now < until) {
            if (at_rest()) {
                uint64_t target = std::min(until, due());
                if (now < core.deadline && core.deadline != NEVER)
                    target = std::min(target, core.deadline - std::min<uint64_t>(core.deadline, BEFORE_DEADLINE));
                if (target > now) {
                    now = target;
                    continue;
                }
            }
            cycle();
            if (settle && settled()) return 1;
            if (octets.size() > MOST_OUTPUT) return 2;
        }
        return 0;
    }

    void push(const Spec& spec, const uint8_t* pool) {
        Carrier carrier{std::max(spec.at, now), carriers++, spec.gap, 0, 0, {}};
        carrier.octets.reserve(spec.preamble + spec.length);
        if (spec.preamble) {
            carrier.octets.assign(spec.preamble - 1, 0x55);
            carrier.octets.push_back(0xD5);
        }
        carrier.octets.insert(carrier.octets.end(), pool + spec.offset, pool + spec.offset + spec.length);
        if (spec.er_first >= 0) {
            carrier.er_first = uint32_t(spec.er_first);
            carrier.er_end = carrier.er_first + spec.er_count;
        }
        Driver& driver = drivers[spec.side & 1];
        driver.queue.push_back(std::move(carrier));
        if (driver.queue.size() == 1) driver.schedule();
    }
};

}  // namespace

extern "C" {
Engine* engine_new(unsigned divisor) { return new Engine(divisor); }
void engine_free(Engine* e) { delete e; }
uint64_t engine_now(const Engine* e) { return e->now; }
uint64_t engine_simulated(const Engine* e) { return e->simulated; }
uint64_t engine_due(const Engine* e) {
    if (!e->at_rest()) return e->now;
    return std::min<uint64_t>(e->due(), e->core.deadline > e->now ? e->core.deadline : NEVER);
}
unsigned engine_killed(const Engine* e) { return e->killed; }
int engine_run(Engine* e, uint64_t until, int settle) { return e->run(until, settle != 0); }
void engine_carriers(Engine* e, const Spec* specs, size_t count, const uint8_t* pool) {
    for (size_t i = 0; i < count; ++i) e->push(specs[i], pool);
}
void engine_control(Engine* e, uint64_t at, const uint8_t* octets, size_t count) {
    for (size_t i = 0; i < count; ++i) e->shifter.queue.emplace_back(std::max(at, e->now), octets[i]);
}
void engine_loop(Engine* e, uint64_t at, int closed) { e->loop.emplace(std::max(at, e->now), closed != 0); }
void engine_reset(Engine* e, uint64_t at, uint64_t cycles) { e->resets.emplace(std::max(at, e->now), cycles); }
// Outputs by number: 0 frames, 1 their octets, 2 started, 3 kills, 4 control. Valid until the next call.
const void* engine_output(const Engine* e, int which, size_t* octets) {
    switch (which) {
        case 0: *octets = e->frames.size() * sizeof(Frame); return e->frames.data();
        case 1: *octets = e->octets.size(); return e->octets.data();
        case 2: *octets = e->started.size() * sizeof(Moment); return e->started.data();
        case 3: *octets = e->kills.size() * sizeof(Moment); return e->kills.data();
        default: *octets = e->control.size() * sizeof(Moment); return e->control.data();
    }
}
void engine_collected(Engine* e) {
    e->frames.clear();
    e->octets.clear();
    e->started.clear();
    e->kills.clear();
    e->control.clear();
}
// Begins (path) or ends (null) a waveform; returns 0 when it cannot.
int engine_wave([[maybe_unused]] Engine* e, [[maybe_unused]] const char* path) {
#ifdef TRACED
    if (!path) {
        if (e->dumping) e->wave.close();
        e->dumping = false;
        return 1;
    }
    e->wave.open(path);
    return e->dumping = e->wave.isOpen();
#else
    return 0;
#endif
}
}
