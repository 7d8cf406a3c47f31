"""Errors a user can act on: one line each, with the exit code of the command they end.

Exit codes: 0 done, 1 failed, 2 usage, 3 no board, 4 verification failed, 130 interrupted.
"""


class HostError(Exception):
    """Something a user can act on. The text is one line: what, which thing, the values, what to try."""

    exit_code = 1


class UsageError(HostError):
    """What was asked for cannot be done as asked: an argument, or a file that says something impossible."""

    exit_code = 2


class NoBoard(HostError):
    """No board there, or one that this host cannot talk to."""

    exit_code = 3


class LinkError(NoBoard):
    """The board did not answer, or not in a way that can be understood."""


class VerificationError(HostError):
    """What the board or the fleet holds is not what it should hold."""

    exit_code = 4
