"""Broker settings, and the queues that we use: facts for Celery, for the probes and for our Redis transport."""

from typing import Any
from urllib.parse import urlsplit

# A worker takes from each in turn, so that what people have started waits behind no stock of what the schedule has.
QUEUES = ("clock", "interactive", "backfill")
VISIBILITY = 1800  # seconds, above the longest task: Redis hands a message out again after this


def patience(broker_url: str) -> dict[str, Any]:
    """The settings that say how long a page waits for a broker: seconds for one that is dead, three for one that hangs.

    Redis' library itself makes a line again that the broker has closed, so that publishing again would only hang again.
    """
    is_amqp = urlsplit(broker_url).scheme.startswith("amqp")
    return {
        "broker_transport_options": transport_options(broker_url),
        "broker_connection_timeout": 3,
        "task_publish_retry_policy": {"max_retries": int(is_amqp), "interval_start": 0.2, "interval_max": 0.5},
    }


def transport_options(broker_url: str) -> dict[str, Any]:
    """The settings for each kind of broker."""
    if urlsplit(broker_url).scheme.startswith("amqp"):
        return {"confirm_publish": True, "read_timeout": 30, "write_timeout": 10, "max_retries": 1}
    return {
        "visibility_timeout": VISIBILITY,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 3,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 25,
        "max_retries": 1,
    }
