"""Forms of the sign-in pages."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate, password_validation
from django.http import HttpRequest, QueryDict

from connector.accounts.models import User


class EntryForm(forms.Form):
    def __init__(self, data: QueryDict | None = None, **more: Any) -> None:
        super().__init__(data, label_suffix="", **more)


class LoginForm(EntryForm):
    username = forms.CharField(
        label="E-mail or user name",
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True, "autocapitalize": "none"}),
    )
    password = forms.CharField(
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def find_user(self, request: HttpRequest) -> User | None:
        """The person whose name and password these are, or None. One that does not exist takes as long to refuse."""
        name = self.cleaned_data["username"]
        by_email = User.objects.filter(email__iexact=name).first() if "@" in name else None
        username = by_email.get_username() if by_email else name
        return authenticate(request, username=username, password=self.cleaned_data["password"])


class FirstAdminForm(EntryForm):
    email = forms.EmailField(
        label="E-mail", max_length=150, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        max_length=4096,
        strip=False,
        help_text="At least 12 characters.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="Password again",
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_email(self) -> str:
        return User.objects.normalize_email(self.cleaned_data["email"])

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        password_validation.validate_password(password, User(email=self.cleaned_data.get("email", "")))
        return password

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if "password" in given and "again" in given and given["again"] != given["password"]:
            self.add_error("again", "The two passwords differ. Enter the same password twice.")
        return given
