"""The page and the API are two ways to one definition: the same is kept, and the same is refused in the same words."""

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.http import QueryDict
from django.urls import reverse

from connector.catalogue import index
from datasets.definition import checks, formdata
from datasets.definition.definition import Definition
from datasets.definition.form import DatasetForm
from datasets.definition.payload import payload_of, read_payload
from datasets.models import Dataset
from tests.definition.conftest import NOW, fill, make_account

pytestmark = pytest.mark.django_db
NEW = "/datasets/new"
FIELDS = {f"schedule.{part}": f"schedule_{part}" for part in ("kind", "at", "zone")}
BUYERS = "include_buyer_and_address_data"


@pytest.fixture
def definition(payload):
    return payload | {"schedule": {"kind": "daily", "at": "06:00", "zone": "America/Los_Angeles"}}


@pytest.fixture
def posted(account):
    """What the page sends for a definition as JSON."""

    def posted(definition):
        fields = {name: value for name, value in definition.items() if name not in ("options", "schedule", "account")}
        schedule = definition["schedule"] or {"kind": "manual"}
        options = {name: value for name, value in definition["options"].items() if value is not False}
        fields |= options | {f"schedule_{part}": said for part, said in schedule.items()}
        chosen = account.pk if definition["account"] == "us seller" else definition["account"]
        return {name: value for name, value in fields.items() if value is not None} | {"account": chosen}

    return posted


GOOD = {
    "as it is": {},
    "every question answered": {
        "options": {
            "query_date_type": "last_updated",
            "select_statuses": ["SHIPPED"],
            "marketplaces": ["CA"],
            BUYERS: True,
        }
    },
    "by hand": {"schedule": None},
    "no end, so yesterday": {"end": ""},
    "no mode, so the report's own": {"report": "marketplace_participations", "options": {}, "mode": None},
    "padded": {"name": "  Orders, US ", "start": " today-30 "},
    "a report type with questions of its own": {
        "report": "create_and_download_report",
        "options": {"report_type": "GET_SALES_AND_TRAFFIC_REPORT", "rows": "by_asin", "date_granularity": "WEEK"},
    },
    "a report type by its title": {
        "report": "create_and_download_report",
        "options": {"report_type": "sales and traffic", "rows": "by_asin"},
    },
    "no, in words": {"options": {BUYERS: "no"}},
    "yes, in words": {"options": {BUYERS: "yes"}},
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_the_same_definition_is_kept(api, page, definition, posted, changes):
    wanted = definition | changes

    answer = api.send("post", "datasets", wanted)
    response = page.post(NEW, posted(wanted) | {"go": "create"})

    assert answer.status_code == 201, answer.content
    assert response.status_code == 302, response.context["form"].errors
    columns = ("account", "report", "options", "start", "end", "mode", "schedule_kind", "schedule_at", "schedule_zone")
    one, other = Dataset.objects.order_by("pk").values("name", "description", *columns, "next_run_at")
    assert one == other
    assert one["options"].get(BUYERS, False) is (wanted["options"].get(BUYERS) in (True, "yes"))


BAD = {
    "no name": {"name": ""},
    "too long a name": {"name": "x" * 201},
    "too long a description": {"description": "x" * 5001},
    "no account": {"account": ""},
    "nobody's account": {"account": "nobody's"},
    "no report": {"report": ""},
    "an unknown report": {"report": "order_detials"},
    "no start": {"start": ""},
    "no day": {"start": "next week"},
    "too long a day": {"start": "y" * 21},
    "reversed dates": {"start": "yesterday", "end": "today-20"},
    "a day to come": {"end": "2199-01-01"},
    "before Amazon's reach": {"start": "2015-01-01"},
    "an unknown mode": {"mode": "sideways"},
    "a mode that the report cannot keep": {"report": "marketplace_participations", "options": {}, "mode": "append"},
    "an unknown answer": {"options": {"query_date_type": "someday"}},
    "not 1 or 0": {"options": {BUYERS: "perhaps"}},
    "too many": {"options": {"select_statuses": [f"S{n}" for n in range(11)]}},
    "another's marketplace": {"options": {"marketplaces": ["DE"]}},
    "a needed answer": {"report": "create_and_download_report", "options": {}},
    "an unknown schedule": {"schedule": {"kind": "fortnightly"}},
    "no time": {"schedule": {"kind": "daily", "at": "25:99"}},
    "an unknown zone": {"schedule": {"kind": "daily", "zone": "America/Los_Angelos"}},
    "too long a zone": {"schedule": {"kind": "daily", "zone": "z" * 65}},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_the_same_is_refused_at_the_same_field_in_the_same_words(api, page, alice, definition, posted, changes):
    make_account(alice, "Second")  # else the page takes the only one there is
    wanted = definition | changes

    refused = api.send("post", "datasets", wanted)
    response = page.post(NEW, posted(wanted))

    assert refused.status_code == 400 and response.status_code == 422
    said = [(FIELDS.get(error["param"], error["param"]), error["detail"]) for error in refused.json()["errors"]]
    shown = [(name, sentence) for name, sentences in response.context["form"].errors.items() for sentence in sentences]
    assert len(said) == 1
    assert said == shown
    assert not Dataset.objects.exists()


# A dataset of a program, changed on the page


@pytest.fixture
def saved(page, posted):
    """Saves a dataset on the page as it is shown there, with these changes."""

    def saved(dataset, definition, **changes):
        response = page.post(
            reverse("dataset-edit", args=[dataset.slug]), posted(definition) | {"go": "save"} | changes
        )
        assert response.status_code == 302, response.context["form"].errors
        dataset.refresh_from_db()
        return dataset

    return saved


def test_the_only_marketplace_that_a_program_named_is_no_other_answer_on_the_page(
    api, alice, definition, saved, account
):
    """The page does not ask for it, and took it away: saving another name there read every day again."""
    account.marketplaces = ["US"]
    account.save()
    wanted = definition | {"options": {"query_date_type": "created", "marketplaces": ["US"]}}
    dataset = fill(Dataset.objects.get(slug=api.send("post", "datasets", wanted).json()["slug"]))

    saved(dataset, definition, name="Renamed")

    assert dataset.name == "Renamed" and dataset.options["marketplaces"] == ["US"]
    assert not dataset.days.get().again


def test_answers_to_a_report_types_own_questions_come_back_from_the_address(api, page, definition, account):
    """The address of a change says what is other than before; what the report type asks was dropped from it."""
    sales = {"report_type": "GET_SALES_AND_TRAFFIC_REPORT", "rows": "by_date"}
    wanted = definition | {"report": "create_and_download_report", "options": sales}
    slug = api.send("post", "datasets", wanted).json()["slug"]

    shown = page.get(reverse("dataset-edit", args=[slug]), {"rows": "by_asin"})

    assert shown.context["form"]["rows"].value() == "by_asin"


def test_another_report_takes_the_answers_to_the_questions_of_the_one_before_away(api, page, definition, saved):
    """On the page they went with its questions; over the API they were refused until the caller sent all options."""
    one, other = (Dataset.objects.get(slug=api.send("post", "datasets", definition).json()["slug"]) for _ in range(2))

    answer = api.send("patch", f"datasets/{one.slug}", {"report": "orders_list_orders_upsert", "mode": "merge"})
    saved(other, definition | {"report": "orders_list_orders_upsert", "mode": "merge"})

    assert answer.status_code == 200, answer.content
    assert answer.json()["options"] == other.options == {BUYERS: False}


def test_marketplaces_stay_chosen_while_no_account_is(page, alice, account):
    """They come back with the address when somebody has been away to connect another account."""
    make_account(alice, "Second")

    shown = page.get(NEW, {"marketplaces": ["US", "CA"]})

    assert parse_qs(urlsplit(shown.context["draft"].address()).query)["marketplaces"] == ["US", "CA"]


# One form, one look at the catalogue


@pytest.fixture
def counted(monkeypatch):
    """How often a form is built and a report looked up, while all goes its own way."""
    counts = {"forms": 0, "reports": 0}

    def counting(owner, name, what):
        original = getattr(owner, name)

        def count(*args, **kwargs):
            counts[what] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, count)

    counting(DatasetForm, "__init__", "forms")
    counting(index, "get", "reports")

    def counted(call, *args, **kwargs):
        counts.update(forms=0, reports=0)
        call(*args, **kwargs)
        return counts["forms"], counts["reports"]

    return counted


def test_a_page_is_one_form_and_one_look_at_the_catalogue(counted, page, posted, definition):
    sent = posted(definition)
    live = {"HX-Request": "true"}

    assert counted(page.get, NEW) == (1, 1)
    assert counted(page.get, NEW, sent, headers=live) == (1, 1)
    assert counted(page.post, NEW, sent | {"go": "preview"}) == (0, 1)
    assert counted(page.post, NEW, sent | {"name": ""}) == (1, 1)
    assert counted(page.post, NEW, sent | {"go": "create"}) == (0, 1)
    edit = reverse("dataset-edit", args=[Dataset.objects.get().slug])
    assert counted(page.get, edit) == (1, 1)
    assert counted(page.get, edit, sent, headers=live) == (1, 1)
    assert counted(page.post, edit, sent | {"go": "save", "name": ""}) == (1, 1)
    assert counted(page.post, edit, sent | {"go": "save"}) == (0, 1)


def test_a_report_that_takes_the_place_of_another_is_two_looks(counted, page, posted, definition, account):
    """The mode that the other one had suggested does not stay."""
    sent = posted(definition) | {"report": "order_items", "shown": f"order_details {account.pk}"}

    assert counted(page.get, NEW, sent) == (1, 2)


# What was typed, and the address that says it again


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_a_definition_goes_through_json_and_through_the_form_and_comes_back(alice, make, account, changes):
    definition = Definition.of(make(**changes))

    as_json = json.loads(json.dumps(payload_of(definition)))
    assert checks.check(read_payload(alice, as_json), now=NOW) == definition
    typed = QueryDict(urlencode(formdata.values_of(definition), doseq=True))
    assert checks.check(formdata.read_sent(typed, [account]).proposal, now=NOW) == definition


def test_a_definition_and_its_values_are_one(api, page, definition):
    slug = api.send("post", "datasets", definition).json()["slug"]

    shown = page.get(reverse("dataset-edit", args=[slug]))

    draft = shown.context["draft"]
    assert draft.address() == draft.path  # nothing is other than usual
    assert dict(formdata.pairs_of(draft.answers.values, draft.usual, always=("report",))) == {"report": "order_details"}
