"""The filter's gateware at GMII level: one clock domain, `sync`, of 8 ns; `core.Filter` is the whole."""
