"""The web server: threads, since a download keeps one busy for as long as the reader reads."""

import gc
import json
import secrets

from gunicorn import util
from gunicorn.glogging import Logger, SafeAtoms

from connector.runtime import env, web
from connector.runtime.logs import discreet

port = env.whole("PORT", 0, least=1, most=65535)
bind = f"0.0.0.0:{port}" if port else "127.0.0.1:8000"
worker_class = web.EvenWorker
workers = env.whole("WEB_CONCURRENCY", 2, least=1, most=64)
threads = 16
preload_app = True
timeout = 120
graceful_timeout = 30
limit_request_line = 8190  # filters that list many values make long addresses
keepalive = 75  # longer than the usual proxy's, so that the proxy closes first
accesslog = "-"
# Paths only: query strings hold filters and, on the way back from Amazon, codes.
access_log_format = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(B)s bytes %(M)s ms'
control_socket_disable = True
child_exit = web.forget


def when_ready(_arbiter):
    """What the application consists of by now is no garbage, and need not be looked through for any by each process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


class DiscreetAtoms(SafeAtoms):
    """What a line of the access log is made of, one-time links without their key. Only what the line takes is looked
    through, and nothing so short that it opens nothing: at hundreds of pages a second that is felt."""

    def __getitem__(self, name):
        value = super().__getitem__(name)
        return discreet(value) if isinstance(value, str) and len(value) > 16 else value


class logger_class(Logger):  # noqa: N801 (gunicorn's name for it)
    atoms_wrapper_class = DiscreetAtoms


def refuse(reader, status, reason, detail):
    """What is refused before Django sees it is a problem like any other, in JSON."""
    if status == 501:
        status, reason = 400, "Bad Request"  # a coding of the body that nobody knows is the client's fault
    code = {400: "bad_request", 403: "forbidden", 417: "bad_request", 500: "internal_error"}.get(status, "too_large")
    said = {
        "type": f"urn:backhaul:problem:{code}",
        "title": reason,
        "status": status,
        "detail": f"This is no HTTP request that can be read: {detail[:200]}" if detail else "The fault is ours.",
        "code": code,
        "errors": [],
        "request_id": secrets.token_hex(8),
    }
    body = json.dumps(said).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(reader, head.encode() + body)


util.write_error = refuse  # gunicorn's own writes HTML and has no other way in
