"""Runs a Verilator simulator built as a shared library inside this Python.

    python -m sim.embedded LIBRARY [ARGUMENT ...]

A simulator of its own would have to load Python as a shared library, which Debian's python3 does not bring. Here
cocotb finds Python where it already is.
"""

import ctypes
import sys

if __name__ == "__main__":
    arguments = [argument.encode() for argument in sys.argv[1:]]
    # PyDLL keeps the interpreter's lock, as cocotb expects of whoever starts Python.
    library = ctypes.PyDLL(sys.argv[1], mode=ctypes.RTLD_GLOBAL)
    library.simulate(len(arguments), (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None))
