"""The key that tells the eight lanes apart, in the order in which its octets are compared."""

from hdl.wire.format import Format

# VIDs: outer and inner tag; a single tag is the outer one; 0 where there is no tag. Ports of UDP or TCP. Of a TCP lane
# the source port does not count: the session learns it.
LANE_KEY = Format(
    "lane_key", "big", "outer_vid:2", "inner_vid:2", "source:4:a", "destination:4:a", "source_port:2",
    "destination_port:2",
)  # fmt: skip
