"""The parsers of messages and the store of their contexts, joined as in the filter, for a bench."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.filter.context import WORD_BITS, WORDS
from hdl.filter.directory import INDEX_BITS, Directory
from hdl.filter.framer import Framer
from hdl.filter.marks import Mark
from hdl.filter.order import Order
from hdl.filter.parents import NAME
from hdl.filter.store import ContextStore
from hdl.wire.registers import KEY_BITS
from hdl.wire.verdict import LANES

FRAMER = ("next_octet", "payload_valid", "payload_start", "payload_last", "soup", "overwritten")
STORE = ("start_load", "load_lane", "load_slot", "start_save", "save_slot", "commit", "commit_slot", "commit_lane")
OUTPUTS = (
    "is_enter", "is_order", "user_ref", "quantity", "buy", "price", "price_ready", "message_end", "unjudged",
    "bad_side", "bad_quantity", "over_size", "zero_price", "market", "bad_message", "replace", "pegged", "channel",
    "parent",
)  # fmt: skip


class Parsers(wiring.Component):
    """`Framer`, `Order` one cycle behind it, and `Directory`, with a `ContextStore`.

    The members are those of the parts. The directory's bus is written to: ``write`` asks, the answer is not shown.
    """

    next_octet: In(8)
    payload_valid: In(1)
    payload_start: In(1)
    payload_last: In(1)
    open: In(1)
    soup: In(1)
    dialect: In(1)
    overwritten: In(1)
    order_size: In(32)
    key: In(KEY_BITS)
    write: In(1)
    address: In(16)
    data: In(32)
    start_load: In(1)
    load_slot: In(6)
    load_lane: In(3)
    start_save: In(1)
    save_slot: In(5)
    commit: In(1)
    commit_slot: In(5)
    commit_lane: In(3)
    framing: Out(1)
    mark: Out(Mark)
    inside: Out(1)
    begins: Out(1)
    continued: Out(1)
    is_enter: Out(1)
    is_order: Out(1)
    user_ref: Out(32)
    quantity: Out(32)
    buy: Out(1)
    price: Out(32)
    price_ready: Out(1)
    message_end: Out(1)
    unjudged: Out(1)
    bad_side: Out(1)
    bad_quantity: Out(1)
    over_size: Out(1)
    zero_price: Out(1)
    market: Out(1)
    bad_message: Out(1)
    replace: Out(1)
    pegged: Out(1)
    channel: Out(1)
    parent: Out(NAME)
    found: Out(1)
    index: Out(INDEX_BITS)
    done: Out(1)
    pending: Out(LANES)

    def elaborate(self, platform):
        m = Module()
        m.submodules.framer = framer = Framer()
        m.submodules.order = order = Order()
        m.submodules.directory = directory = Directory()
        m.submodules.store = store = ContextStore()
        for part in (framer, order):
            m.d.comb += [part.open.eq(self.open), part.dialect.eq(self.dialect)]
        m.d.comb += [getattr(framer, name).eq(getattr(self, name)) for name in FRAMER]
        m.d.comb += [getattr(store, name).eq(getattr(self, name)) for name in STORE]
        for part in ("octet", "valid", "first", "last", "left", "gone"):
            value = getattr(framer, f"message_{part}")
            m.d.sync += (later := Signal.like(value, name=f"{part}_later")).eq(value)
            m.d.comb += getattr(order, f"message_{part}").eq(later)
        m.d.comb += [
            order.order_size.eq(self.order_size),
            directory.key.eq(self.key),
            directory.symbol_valid.eq(order.symbol_valid),
            directory.symbol_first.eq(order.symbol_first),
            directory.symbol_data.eq(order.symbol_octet),
            directory.bus.request.eq(self.write),
            directory.bus.write.eq(1),
            directory.bus.address.eq(self.address),
            directory.bus.data.eq(self.data),
            store.context.eq(framer.context | order.context | directory.context),
        ]
        for part in (framer, order, directory):
            m.d.comb += [part.load.eq(store.load), part.word.eq(store.word)]
        for part, names in (
            (framer, ("framing", "mark", "inside", "begins", "continued")),
            (order, OUTPUTS),
            (directory, ("found", "index", "done")),
            (store, ("pending",)),
        ):
            m.d.comb += [getattr(self, name).eq(getattr(part, name)) for name in names]
        return m


assert WORDS * WORD_BITS == 288  # of which every part has its own and leaves the others 0
