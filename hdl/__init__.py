"""Gateware of breakwire, and the wire formats that host and gateware share."""
