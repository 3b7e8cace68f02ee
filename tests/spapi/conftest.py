import pytest

from connector.spapi.client import Client
from connector.spapi.transport import Transport
from tests.spapi.wire import Wire


@pytest.fixture
def wire():
    """A server that says what the test tells it to."""
    server = Wire()
    yield server
    server.close()


class Desk:
    """A client, and what its quota, token and rate callbacks were asked."""

    def __init__(self, wire, **options):
        self.waits, self.taken, self.throttled, self.rates = [], [], [], []
        self.forced, self.slept, self.answered = [], [], []
        self.transport = Transport()
        self.client = Client(
            wire.url,
            self._token,
            self._take,
            on_throttled=lambda call, seconds: self.throttled.append((call.name, seconds)),
            on_answered=self._answered,
            document_hosts=[wire.host],
            transport=self.transport,
            sleep=self.slept.append,
            **options,
        )
        self.call, self.download = self.client.call, self.client.download

    def _token(self, force_refresh=False):
        self.forced.append(force_refresh)
        return "Atza|fresh" if force_refresh else "Atza|first"

    def _take(self, call):
        self.taken.append(call.name)
        return self.waits.pop(0) if self.waits else 0.0

    def _answered(self, call, rate, is_well):
        self.answered.append((call.name, is_well))
        if rate is not None:
            self.rates.append((call.name, rate))


@pytest.fixture
def desk(wire):
    """A client whose every dealing is on record."""
    made = []

    def make(**options):
        made.append(Desk(wire, **options))
        return made[-1]

    yield make
    for one in made:
        one.transport.close()
