"""PostgreSQL and Valkey for people who have none: started on a data folder, stopped with the process that started them.

Knows nothing of Django. What uses the servers is other rooms' business; here they are found, made, started and stopped.
"""

import os

from connector.embedded.services import Services
from connector.embedded.trouble import Held, Trouble

__all__ = ["Held", "Services", "Trouble", "services", "start"]


def services(data_dir, environment=os.environ):
    """The servers this environment leaves to us: those without a URL."""

    def unset(name):
        return not (environment.get(name) or environment.get(f"{name}_FILE"))

    return Services(data_dir, database=unset("DATABASE_URL"), broker=unset("BROKER_URL"))


def start(data_dir, *, holder):
    """Starts what the environment leaves to us; `holder` is how another start is told who has the folder."""
    return services(data_dir).start(holder)
