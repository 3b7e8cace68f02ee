"""The Tokens page: make an access token, which is shown once, see how each is used, revoke it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from connector.accounts.models import SignedInRequest, User
from datasets.access import tokens as access
from datasets.models import AccessToken, Dataset

READ = "data:read"
LIVES = (("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("never", "No end"))


class TokenForm(forms.Form):
    name = forms.CharField(max_length=200, help_text="Where it will be used, such as “Power BI, finance”.")
    scopes = forms.MultipleChoiceField(
        label="It may",
        choices=[(scope, access.words_of([scope])[0].capitalize()) for scope in access.SCOPES],
        widget=forms.CheckboxSelectMultiple,
        initial=[READ],
        error_messages={"required": "Choose at least one permission for the token."},
    )
    dataset = forms.ModelChoiceField(
        label="For",
        queryset=Dataset.objects.none(),
        required=False,
        empty_label="All my datasets",
        to_field_name="slug",
    )
    life = forms.ChoiceField(label="Works for", choices=LIVES, initial="365")

    def __init__(self, *arguments: Any, user: User, **named: Any) -> None:
        super().__init__(*arguments, **named | {"label_suffix": ""})
        cast(forms.ModelChoiceField, self.fields["dataset"]).queryset = Dataset.objects.of(user).order_by("name")


@never_cache
@require_http_methods(["GET", "POST"])
@login_required
def tokens(request: SignedInRequest) -> HttpResponse:
    form = TokenForm(request.POST or None, user=request.user)
    made = text = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        life = None if given["life"] == "never" else timedelta(days=int(given["life"]))
        datasets = [given["dataset"]] if given["dataset"] else None
        made, text = access.issue(request.user, given["name"], scopes=given["scopes"], datasets=datasets, life=life)
        form = TokenForm(user=request.user)
    mine = AccessToken.objects.filter(owner=request.user).defer("secret_hash").prefetch_related("datasets")
    context = {"form": form, "made": made, "text": text, "tokens": _shown(mine, timezone.now())}
    return render(request, "datasets/tokens.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def revoke(request: SignedInRequest, token_id: str) -> HttpResponse:
    token = get_object_or_404(AccessToken, owner=request.user, token_id=token_id)
    access.revoke(token)
    messages.success(request, f"{token.name} was revoked: it no longer gives access. Other tokens keep working.")
    return redirect("tokens")


def _shown(tokens: Iterable[AccessToken], now: datetime) -> list[dict[str, Any]]:
    """The tokens with the state they are in, those that work first."""
    rows = [{"token": token, "state": state_of(token, now), "may": access.words_of(token.scopes)} for token in tokens]
    return sorted(rows, key=lambda row: row["state"] != "active")


def state_of(token: AccessToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "active"
