"""Golden model, benches, formal specs, the compiled engine and the virtual board."""
