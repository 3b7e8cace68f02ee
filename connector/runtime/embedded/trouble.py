"""What can go wrong when something of ours is to be started."""


class Trouble(Exception):
    """Something cannot start; the message says what is wrong and how to mend it."""


class Held(Trouble):
    """Another process of ours already runs on this folder."""
