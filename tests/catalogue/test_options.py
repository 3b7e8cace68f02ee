"""Options: what is taken as an answer, and what is said about one that is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.catalogue import index
from connector.catalogue.options import Option
from connector.catalogue.orders import SELECT_STATUSES

KEYS = [report.key for report in index.REPORTS]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def complaint(key, answers, option, **more):
    with pytest.raises(index.Invalid) as problem:
        index.check_answers(key, answers, **more)
    return problem.value.sentences[option]


def test_defaults_are_filled_in():
    assert index.check_answers("order_details", {}) == {
        "query_date_type": "created",
        "include_buyer_and_address_data": False,
    }


@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("Unshipped", "UNSHIPPED"),
        ("PartiallyShipped", "PARTIALLY_SHIPPED"),
        ("partially shipped", "PARTIALLY_SHIPPED"),
        ("Canceled", "CANCELLED"),
        ("CANCELLED", "CANCELLED"),
        ("cancelled", "CANCELLED"),
        ("PendingAvailability", "PENDING_AVAILABILITY"),
        ("shipped", "SHIPPED"),
    ],
)
def test_statuses_are_known_by_their_old_names_too(spelling, value):
    assert SELECT_STATUSES.clean([spelling]) == [value]


def test_an_unknown_status_is_named_with_those_there_are():
    said = complaint("order_details", {"select_statuses": ["Shipped", "InvoiceUnconfirmed"]}, "select_statuses")

    assert "'InvoiceUnconfirmed'" in said and "PARTIALLY_SHIPPED" in said and "UNFULFILLABLE" in said


def test_eleven_statuses_are_too_many_whatever_they_are():
    for eleven in (["Shipped"] * 11, [f"status {n}" for n in range(11)], ",".join(["Shipped"] * 11)):
        assert "at most 10" in complaint("order_details", {"select_statuses": eleven}, "select_statuses")
    assert SELECT_STATUSES.clean(["Shipped"] * 10) == ["SHIPPED"]


def test_no_status_means_any():
    assert "select_statuses" not in index.check_answers("order_details", {"select_statuses": []})


def test_marketplaces_are_those_of_the_account():
    chosen = index.check_answers("order_details", {"marketplaces": ["us", "CA", "US"]}, marketplaces=["US", "CA"])
    assert chosen["marketplaces"] == ["US", "CA"]
    assert index.check_answers("order_details", {"marketplaces": "GB"}, marketplaces=["UK"])["marketplaces"] == ["UK"]

    said = complaint("order_details", {"marketplaces": ["DE"]}, "marketplaces", marketplaces=["US", "CA"])

    assert "'DE'" in said and "US, CA" in said


def test_a_required_answer_is_asked_for():
    assert "GET_FLAT_FILE_ALL_ORDERS" in complaint("create_and_download_report", {}, "report_type")


def test_every_wrong_answer_is_told_at_once():
    with pytest.raises(index.Invalid) as problem:
        index.check_answers(
            "create_and_download_report", {"report_type": "X", "csv_report_quote_character": "x", "colour": "red"}
        )

    assert set(problem.value.sentences) == {"report_type", "csv_report_quote_character", "colour"}


@pytest.mark.parametrize("word", ["double", "single", "null"])
def test_quote_characters_have_the_names_that_stay(word):
    cleaned = index.check_answers(
        "create_and_download_report",
        {"report_type": "GET_FLAT_FILE_ALL_ORDERS_DATA_BY_ORDER_DATE_GENERAL", "csv_report_quote_character": word},
    )
    assert cleaned["csv_report_quote_character"] == word


def test_a_flag_is_taken_from_json_and_from_a_form():
    option = Option("x", "X", "flag", default=False)

    assert [option.clean(value) for value in (True, "true", "on", "1", False, "false", "off", None, "")] == (
        [True] * 4 + [False] * 5
    )
    with pytest.raises(ValueError, match="true or false"):
        option.clean("maybe")


@pytest.mark.parametrize("blank", [None, "", [], [""], " ", [" ", ""]])
def test_blanks_are_no_answer(blank):
    assert SELECT_STATUSES.clean(blank) is None
    assert Option("x", "X", "text", default="as ever").clean(blank if isinstance(blank, str) else None) == "as ever"


@given(st.sampled_from(KEYS), st.dictionaries(st.text(max_size=12), ANYTHING, max_size=3), st.data())
def test_whatever_is_answered_is_taken_or_told_in_sentences(key, answers, data):
    report = index.get(key)
    for option in data.draw(st.lists(st.sampled_from(report.options), max_size=4)) if report.options else []:
        answers[option.name] = data.draw(ANYTHING | st.sampled_from(option.values or ("US",)))

    try:
        cleaned = index.check_answers(key, answers)
    except index.Invalid as problem:
        assert problem.sentences
        assert all(isinstance(said, str) and said and len(said) < 600 for said in problem.sentences.values())
    else:
        assert index.check_answers(key, cleaned) == cleaned  # stored answers are checked again by the same object
        json.dumps(cleaned)
        index.effective(key, cleaned)


@pytest.mark.parametrize("answers", [None, [], "x", 7])
def test_options_that_are_no_object_are_told(answers):
    with pytest.raises(index.Invalid):
        index.check_answers("order_details", answers)


def test_a_wrong_choice_is_answered_with_what_people_and_programs_call_the_right_ones():
    few = Option("kind", "Kind", "choice", choices=(("GET_A", "All orders"), ("returns", "Returns")))
    many = Option("kind", "Kind", "choice", choices=tuple((f"GET_{n}", f"Report {n}") for n in range(130)))

    with pytest.raises(ValueError, match=r"Choose from All orders \(GET_A\), returns\."):
        few.clean("GET_B")
    with pytest.raises(ValueError, match=r"Did you mean Report 77 \(GET_77\).*\? There are 130 to choose from\."):
        many.clean("Reporrt 77")
    assert few.clean("all orders") == "GET_A"
