"""Applications that Amazon knows, and what each was given leave to do."""

from dataclasses import dataclass, field


@dataclass
class Application:
    client_id: str
    secrets: list
    """The valid ones; two for the days after a rotation."""
    application_id: str
    name: str = "Simulated application"
    redirect_uris: list = field(default_factory=list)
    draft: bool = False
    """A draft is only authorised with version=beta."""
    error: str = ""
    """A code that the consent page shows instead of asking."""


def default_application(redirect_uris):
    return Application(
        client_id="amzn1.application-oa2-client.simulator",
        secrets=["simulator-secret"],
        application_id="amzn1.sellerapps.app.simulator",
        name="Backhaul (simulated)",
        redirect_uris=list(redirect_uris),
    )


class Applications:
    def __init__(self, redirect_uris=()):
        self._redirect_uris = tuple(redirect_uris)
        self.reset()

    def reset(self):
        self._by_client = {}
        self.register(default_application(self._redirect_uris))

    def register(self, application):
        self._by_client[application.client_id] = application

    def by_client(self, client_id):
        return self._by_client.get(client_id)

    def by_application_id(self, application_id):
        return next((each for each in self._by_client.values() if each.application_id == application_id), None)

    def all(self):
        return list(self._by_client.values())
