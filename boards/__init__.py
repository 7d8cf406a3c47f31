"""Boards and devices: pins, clocks, build, programming, and what a device's tools say of the core."""
