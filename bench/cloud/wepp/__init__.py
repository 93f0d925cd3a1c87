"""The peers' end of the built-in native function of the same name."""


def noop():
    pass
