"""Celery: JSON only, and a broker that is away costs a page seconds at most, never the page."""

import time
import uuid

import pytest
from kombu import Exchange, Producer, Queue

from connector.celery import TASK_LIMIT, app
from connector.runtime.broker import VISIBILITY, transport_options


def test_nothing_but_json_is_taken_or_sent():
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.result_backend is None


def test_a_message_is_not_handed_out_twice_while_its_task_may_still_run():
    assert app.conf.task_time_limit == TASK_LIMIT < VISIBILITY
    assert transport_options("redis://x")["visibility_timeout"] == VISIBILITY


def test_a_worker_takes_from_every_queue_that_is_used():
    used = {app.conf.task_default_queue} | {route["queue"] for route in app.conf.task_routes.values()}

    assert {queue.name for queue in app.conf.task_queues} == used | {"interactive"}


@pytest.mark.integration
def test_a_message_reaches_one_queue_only():
    with app.connection_for_write() as broker:
        channel = broker.channel()
        names = {queue.name: f"{queue.name}-{uuid.uuid4().hex}" for queue in app.amqp.queues.values()}
        trial = []
        for queue in app.amqp.queues.values():
            exchange = Exchange(
                f"trial-{queue.exchange.name}-{names['clock']}", type=queue.exchange.type, auto_delete=True
            )
            trial.append(Queue(names[queue.name], exchange, routing_key=queue.routing_key, channel=channel))
        for queue in trial:
            queue.declare()
        try:
            for queue in trial:
                Producer(channel).publish({}, exchange=queue.exchange, routing_key=queue.routing_key, serializer="json")

            assert [bool(queue.get(no_ack=True)) for queue in trial] == [True] * len(trial)
            assert [queue.get(no_ack=True) for queue in trial] == [None] * len(trial)
        finally:
            for queue in trial:
                queue.delete()


def test_amqp_is_asked_to_confirm():
    assert transport_options("amqps://x")["confirm_publish"] is True
    assert "visibility_timeout" not in transport_options("amqp://x")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://guest:guest@127.0.0.1:1//"])
def test_a_hint_to_a_dead_broker_gives_up_within_seconds(monkeypatch, url):
    from celery import Celery
    from kombu.exceptions import OperationalError

    lonely = Celery("lonely", set_as_current=False)
    lonely.conf.update({**app.conf.changes, "broker_url": url, "broker_transport_options": transport_options(url)})
    began = time.monotonic()

    with pytest.raises(OperationalError):
        lonely.send_task("datasets.tasks.tick")

    assert time.monotonic() - began < 5


def test_threads_of_the_web_server_see_the_same_app():
    import threading

    from celery import current_app

    seen = []
    thread = threading.Thread(target=lambda: seen.append(current_app.main))
    thread.start()
    thread.join()

    assert seen == ["connector"]
