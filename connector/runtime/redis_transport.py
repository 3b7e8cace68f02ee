"""Redis as a broker, with a look at each message before anybody works with it: what is no message of Celery's is dropped.

Without it one such message ends the worker that takes it, and whatever else uses the same Redis may write to our queues.
"""

import base64
import binascii
import logging
from json import JSONDecodeError
from queue import Empty
from typing import Any

from kombu.transport import redis

from connector.runtime.broker import QUEUES

log = logging.getLogger(__name__)


def is_message(found: Any) -> bool:
    """Whether it has the parts that Celery reads without looking."""
    if not isinstance(found, dict) or not isinstance(found.get("headers"), dict):
        return False
    properties = found.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("delivery_info"), dict):
        return False
    texts = found.get("body"), properties.get("delivery_tag"), found["headers"].get("task"), found["headers"].get("id")
    if not all(isinstance(text, str) for text in texts) or properties.get("body_encoding") != "base64":
        return False
    try:
        base64.b64decode(found["body"])
    except binascii.Error:
        return False
    return True


class Channel(redis.Channel):
    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (UnicodeDecodeError, JSONDecodeError):
            log.error("the broker handed out what is no JSON; it was dropped")
            raise Empty from None


class Transport(redis.Transport):
    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        # What operators ask of a worker comes by other queues, and is no task.
        if queue in QUEUES and not is_message(message):
            log.error("the broker handed out what is no message, from %s; it was dropped", queue)
            return
        super()._deliver(message, queue)
