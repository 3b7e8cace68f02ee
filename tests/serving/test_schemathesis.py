"""Generated requests of every operation in the OpenAPI document, against a running server: whatever is asked, the answer is one
that the document tells of, in the shape it tells of, and never a fault of ours.

`GENERATED_CALLS` says how many for each operation; the long form takes hundreds.
"""

import os

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serving import shop

pytestmark = [pytest.mark.django_db, pytest.mark.integration, pytest.mark.slow]
CALLS = int(os.environ.get("GENERATED_CALLS", "2"))
# What the real addresses are made of, where a made-up one would end in 404 each time.
KNOWN = {"slug": "orders_us", "id": "orders_us"}
DESTRUCTIVE = ("delete_dataset", "clear_dataset", "change_dataset")
CHECKS = (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
ENVIRONMENT = {"WRONG_TOKENS_PER_MINUTE": "10000"}


@pytest.fixture(scope="module")
def orders(make):
    return make.dataset("orders_us", rows=shop.orders(20))


@pytest.fixture(scope="module")
def operations(web, orders):
    schema = schemathesis.openapi.from_url(f"{web.url}/api/v1/openapi.json")
    return [found.ok() for found in schema.get_all_operations()]


class Asker:
    """Asks as Alice, and keeps what was answered: {status: names of operations}."""

    def __init__(self, web, token):
        self.url, self.headers = web.url, {"Authorization": f"Bearer {token}"}
        self.session, self.statuses = requests.Session(), {}

    def ask(self, case, name):
        answer = case.call(
            base_url=self.url, headers=self.headers, session=self.session, allow_redirects=False, timeout=60
        )
        self.statuses.setdefault(answer.status_code, set()).add(name)
        said = (name, answer.status_code, answer.content[:300])
        assert not 300 <= answer.status_code < 400 or answer.status_code == 304, said
        if answer.status_code == 501 and "501" in case.operation.definition.raw["responses"]:
            assert b'"code"' in answer.content, said
        else:
            case.validate_response(answer, checks=[not_a_server_error, *CHECKS])


def generated(operation, asker):
    """A function that asks this operation with CALLS generated requests, right and wrong ones."""
    name = operation.definition.raw["operationId"]
    modes = [mode for mode in GenerationMode if _can_generate(operation, mode)]

    @settings(
        max_examples=CALLS,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]),
        is_known=st.sampled_from([True, True, True, False]),
    )
    def ask(case, is_known):
        if is_known and name not in DESTRUCTIVE:
            for place, value in KNOWN.items():
                if place in (case.path_parameters or {}):
                    case.path_parameters[place] = value
        asker.ask(case, name)

    return ask


@pytest.mark.timeout(7200)
def test_every_answer_is_one_that_the_document_tells_of(web, operations, make):
    asker, wrong = Asker(web, make.token()), []

    for operation in operations:
        try:
            generated(operation, asker)()
        except BaseExceptionGroup as failures:
            wrong += [f"{operation.label}: {str(one)[:1500]}" for one in failures.exceptions]
        except AssertionError as failure:
            wrong.append(f"{operation.label}: {failure}")

    assert wrong == []
    # The requests got beyond the door: most operations were also answered well.
    good = set().union(*(names for status, names in asker.statuses.items() if status < 300))
    assert len(good) > len(operations) / 2, asker.statuses
    assert 401 not in asker.statuses


def _can_generate(operation, mode):
    return mode == GenerationMode.POSITIVE or operation.body or operation.query or operation.path_parameters
