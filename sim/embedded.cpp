// Entry of a cocotb simulator that is a shared library in a Python process (sim/embedded.py).
#include <cstdio>
#include <unistd.h>

int main(int argc, char** argv);

// Never returns: cocotb has shut the interpreter down by then, and the caller is Python.
extern "C" void simulate(int argc, char** argv) {
    const int code = main(argc, argv);
    std::fflush(nullptr);
    _exit(code);
}
