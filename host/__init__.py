"""The command line and everything behind it. Imports hdl.wire and nothing else of ours."""
