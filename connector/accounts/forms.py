"""Forms of the Accounts pages. What they mean is decided by connect.py; its sentences come back under the fields' names."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, cast

from django import forms
from django.http import QueryDict

from connector.accounts.connect import ConnectRefused
from connector.accounts.models import Application
from connector.spapi.marketplaces import MARKETPLACES

KINDS = [("seller", "Seller (Seller Central)"), ("vendor", "Vendor (Vendor Central)")]
REGION_NAMES = {
    "NA": "North and South America",
    "EU": "Europe, Middle East, Africa, India",
    "FE": "Far East and Australia",
}
NEW_APPLICATION = "new"


def countries_by_region() -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (REGION_NAMES[region], [(place.country, f"{place.name} ({place.country})") for place in places])
        for region, places in groupby(MARKETPLACES, key=lambda place: place.region)
    ]


class SecretInput(forms.PasswordInput):
    """Takes a secret and never gives it back, not even with an error elsewhere in the form."""

    def __init__(self) -> None:
        super().__init__(render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"})


class RefusableForm(forms.Form):
    """A form that can also be refused after it was valid, by Amazon or by another row."""

    def __init__(self, data: QueryDict | None = None, **more: Any) -> None:
        super().__init__(data, label_suffix="", **more)

    def refuse(self, refusal: ConnectRefused) -> None:
        for field, sentence in refusal.errors.items():
            self.add_error(field if field in self.fields else None, sentence)


class ConnectForm(RefusableForm):
    kind = forms.ChoiceField(label="Type", choices=KINDS, initial="seller", widget=forms.RadioSelect)
    marketplace = forms.ChoiceField(
        choices=countries_by_region,
        initial="US",
        help_text="Your home marketplace: you sign in there, and days are counted in its time zone.",
    )
    name = forms.CharField(
        max_length=200, required=False, help_text="Leave it empty to use the store's name and region."
    )
    application = forms.ChoiceField(label="Amazon application")
    draft = forms.BooleanField(
        label="The application is still a draft at Amazon",
        required=False,
        help_text="Select this if Amazon's page shows the error MD1000.",
    )

    def __init__(self, data: QueryDict | None = None, *, applications: Iterable[Application]) -> None:
        super().__init__(data)
        self.applications = {str(application.pk): application for application in applications}
        choices = [(key, application.name) for key, application in self.applications.items()]
        field = cast(forms.ChoiceField, self.fields["application"])
        field.choices = choices
        if len(choices) == 1:
            field.initial = choices[0][0]
            field.widget = forms.HiddenInput()

    def clean_application(self) -> Application:
        return self.applications[self.cleaned_data["application"]]


class PasteForm(RefusableForm):
    name = forms.CharField(max_length=200)
    kind = forms.ChoiceField(label="Type", choices=KINDS, initial="seller", widget=forms.RadioSelect)
    marketplaces = forms.MultipleChoiceField(
        choices=countries_by_region,
        widget=forms.CheckboxSelectMultiple,
        help_text="One or more, all in one region.",
    )
    home = forms.ChoiceField(
        label="Home marketplace",
        required=False,
        help_text="Days are counted in its time zone. Leave it empty to use the first marketplace chosen.",
    )
    selling_partner_id = forms.CharField(
        label="Seller or vendor id",
        max_length=64,
        required=False,
        help_text="For example A1B2C3D4E5F6G7. Leave it empty if you do not know it.",
    )
    refresh_token = forms.CharField(
        label="Refresh token",
        widget=SecretInput,
        max_length=5000,
        help_text="Begins with Atzr|. It is stored encrypted and never shown again.",
    )
    application = forms.ChoiceField(label="Amazon application")
    client_id = forms.CharField(
        label="Client id of another application",
        max_length=255,
        required=False,
        help_text="Only for an application that is not in the list.",
    )
    client_secret = forms.CharField(label="Its client secret", widget=SecretInput, max_length=5000, required=False)

    def __init__(self, data: QueryDict | None = None, *, applications: Iterable[Application]) -> None:
        super().__init__(data)
        self.applications = {str(application.pk): application for application in applications}
        choices = [(key, application.name) for key, application in self.applications.items()]
        application, home = (cast(forms.ChoiceField, self.fields[name]) for name in ("application", "home"))
        application.choices = [*choices, (NEW_APPLICATION, "Another one, entered below")]
        home.choices = [("", "The first one chosen"), *countries_by_region()]

    def clean_application(self) -> Application | None:
        return self.applications.get(self.cleaned_data["application"])

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        home, countries = given.get("home"), given.get("marketplaces")
        if home and countries:
            if home not in countries:
                self.add_error("home", "The home marketplace must be one of those chosen.")
            else:
                given["marketplaces"] = [home, *(country for country in countries if country != home)]
        if "application" in given and given["application"] is None and not given.get("client_id"):
            self.add_error("client_id", "Enter the application's client id as shown on Amazon's developer page.")
        return given


class RenameForm(RefusableForm):
    name = forms.CharField(max_length=200)


class TokenForm(RefusableForm):
    refresh_token = forms.CharField(label="New refresh token", widget=SecretInput, max_length=5000)


class ConsentForm(RefusableForm):
    draft = ConnectForm.base_fields["draft"]


class ApplicationForm(RefusableForm):
    name = forms.CharField(max_length=200, help_text="Its name in this installation.")
    client_id = forms.CharField(
        label="Client id", max_length=255, help_text="Begins with amzn1.application-oa2-client."
    )
    client_secret = forms.CharField(
        label="Client secret",
        widget=SecretInput,
        max_length=5000,
        help_text="It is stored encrypted and never shown again.",
    )
    application_id = forms.CharField(
        label="Application id",
        max_length=255,
        required=False,
        help_text="Begins with amzn1.sp.solution. or amzn1.sellerapps.app. Needed for Amazon's consent page, not for "
        "pasted refresh tokens.",
    )


class SecretForm(RefusableForm):
    client_secret = forms.CharField(label="New client secret", widget=SecretInput, max_length=5000)


class ApplicationDetailsForm(RefusableForm):
    name = forms.CharField(max_length=200)
    application_id = ApplicationForm.base_fields["application_id"]
