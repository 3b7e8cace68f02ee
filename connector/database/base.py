import select

import psycopg
from django.db.backends.postgresql import base
from psycopg import pq


def is_quiet(connection: psycopg.Connection) -> bool:
    """Whether nothing has come on an idle connection. Where the database has hung up, that can be read on the socket."""
    if connection.pgconn.status != pq.ConnStatus.OK:
        return False
    watch = select.poll()
    watch.register(connection.pgconn.socket, select.POLLIN | select.POLLHUP | select.POLLERR)
    return not watch.poll(0)


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Asked before each request's first query (CONN_HEALTH_CHECKS): as a rule it costs no round trip."""
        return self.connection is not None and (is_quiet(self.connection) or super().is_usable())
