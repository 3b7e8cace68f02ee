"""Errors when a part cannot be started."""


class StartError(Exception):
    """Something cannot start; the message says what is wrong and how to fix it."""


class Held(StartError):
    """Another Backhaul process already runs on this folder."""
