"""A controller on `hdl.filter.bus` for benches: one access at a time."""

MOST_CYCLES = 600
GARBAGE = 0xA5C35A3C  # data of a read


class BusError(AssertionError):
    """A target that gave an error, or no answer in time."""


class BusMaster:
    """Reads and writes words through the port `name` of `dut`, which must be idle at the falling edge."""

    def __init__(self, dut, name="bus", *, patience=MOST_CYCLES):
        self._dut, self._name, self.patience = dut, name, patience
        self._set(request=0, write=0, address=0, data=0)

    def _port(self, member):
        return getattr(self._dut, f"{self._name}__{member}")

    def _set(self, **values):
        for member, value in values.items():
            self._port(member).value = value

    async def access(self, address, data=None):
        """Return what the word read, or None when the target gave an error. `data` None: a read."""
        await self._dut.clk.falling_edge
        self._set(request=1, write=data is not None, address=address, data=GARBAGE if data is None else data)
        await self._dut.clk.falling_edge
        self._set(request=0)
        for _ in range(self.patience):
            if self._port("ack").value:
                return None if self._port("error").value else int(self._port("value").value)
            await self._dut.clk.falling_edge
        raise BusError(f"no answer from {address:#06x} within {self.patience} cycles")

    async def read(self, address):
        value = await self.access(address)
        if value is None:
            raise BusError(f"error when reading {address:#06x}")
        return value

    async def write(self, address, data):
        if await self.access(address, data) is None:
            raise BusError(f"error when writing {address:#06x}")

    async def read_pair(self, address):
        """Read the 64-bit value whose low word is at `address`."""
        low = await self.read(address)
        return low | await self.read(address + 1) << 32

    async def write_pair(self, address, value):
        await self.write(address, value & 0xFFFFFFFF)
        await self.write(address + 1, value >> 32)
