"""Connecting an account, or renewing one: by Amazon's consent page, or with a pasted refresh token."""

from typing import Any, cast
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from connector.accounts import applications, connect
from connector.accounts.account_views import find_account
from connector.accounts.forms import ConnectForm, ConsentForm, PasteForm, TokenForm
from connector.accounts.models import Account, SignedInRequest
from connector.accounts.privacy import kept_private, path_back

# Amazon's consent page


@kept_private()
@require_http_methods(["GET", "POST"])
@login_required
def connect_account(request: SignedInRequest) -> HttpResponse:
    """Asks what to connect, then leads to Amazon's consent page."""
    return_to = path_back(request)
    available = applications.choices(request.user)
    form = ConnectForm(request.POST if request.method == "POST" else None, applications=available)
    if form.is_bound and form.is_valid():
        try:
            return _leave_for_amazon(request, return_to=return_to, **form.cleaned_data)
        except connect.ConnectRefused as refusal:
            form.refuse(refusal)
    page = {"form": form, "return_to": return_to, "applications": available, "callback_url": connect.callback_url()}
    return render(request, "accounts/connect.html", page)


@sensitive_post_parameters("refresh_token")
@kept_private()
@require_http_methods(["GET", "POST"])
@login_required
def reauthorize(request: SignedInRequest, account_id: UUID) -> HttpResponse:
    """Renews an account: by Amazon's consent page, or with another pasted token. Its datasets stay."""
    account = find_account(request, account_id)
    pasted = request.method == "POST" and "refresh_token" in request.POST
    consents = request.method == "POST" and not pasted
    token_form = TokenForm(request.POST if pasted else None)
    consent_form = ConsentForm(request.POST if consents else None)
    try:
        if pasted and token_form.is_valid():
            connect.replace_token(account, token_form.cleaned_data["refresh_token"], now=timezone.now())
            messages.success(request, f"{account.name} has its new token. Its datasets continue automatically.")
            return redirect(account)
        if consents and consent_form.is_valid():
            return _leave_for_amazon(
                request,
                account=account,
                application=applications.in_step(account.application),
                kind=account.kind,
                marketplace=account.marketplaces[0],
                return_to=path_back(request),
                draft=consent_form.cleaned_data["draft"],
            )
    except connect.ConnectRefused as refusal:
        (token_form if pasted else consent_form).refuse(refusal)
    page = {
        "account": account,
        "consent_form": consent_form,
        "token_form": token_form,
        "return_to": path_back(request),
        "callback_url": connect.callback_url(),
    }
    return render(request, "accounts/reauthorize.html", page)


def _leave_for_amazon(request: SignedInRequest, **wish: Any) -> HttpResponse:
    address = connect.begin(request.user, cast(str, request.session.session_key), now=timezone.now(), **wish)
    response = redirect(address)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@kept_private("no-referrer")
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """The return from Amazon's consent page: the one GET that changes something, once its state is proven to be ours."""
    if not request.user.is_authenticated:
        return _refused(
            request,
            "You are no longer signed in, so it is not known who started the connection. Nothing was saved. Sign in "
            "and start again from the Accounts page.",
        )
    given = request.GET
    try:
        consent = connect.complete(
            request.user,
            cast(str, request.session.session_key),  # who is signed in has one
            given.get("state"),
            given.get("spapi_oauth_code"),
            given.get("selling_partner_id"),
            now=timezone.now(),
        )
    except connect.ConsentRefused as refusal:
        return _refused(request, str(refusal))
    account = cast(Account, consent.account)  # set by now
    messages.success(request, f"Connected {account.partner} ({', '.join(account.marketplaces)}) as {account.name}.")
    if account.message:
        messages.warning(request, account.message)
    twins = (
        Account.objects.of(request.user)
        .exclude(pk=account.pk)
        .filter(region=account.region, selling_partner_id=account.selling_partner_id)
    )
    if twin := twins.first():
        messages.info(
            request, f"The same {account.kind} is also connected as {twin.name}. Both work; you can remove one."
        )
    if consent.return_to:
        return redirect(_with_account(consent.return_to, account))
    return redirect(account)


def _refused(request: HttpRequest, sentence: str) -> HttpResponse:
    return render(request, "accounts/refused.html", {"sentence": sentence}, status=400)


def _with_account(path: str, account: Account) -> str:
    parts = urlsplit(path)
    kept = [pair for pair in parts.query.split("&") if pair and not pair.startswith("account=")]
    return parts._replace(query="&".join([*kept, urlencode({"account": account.pk})])).geturl()


# A pasted refresh token


@sensitive_post_parameters("refresh_token", "client_secret")
@kept_private()
@require_http_methods(["GET", "POST"])
@login_required
def paste(request: SignedInRequest) -> HttpResponse:
    return_to = path_back(request)
    available = applications.choices(request.user)
    form = PasteForm(request.POST if request.method == "POST" else None, applications=available)
    if form.is_bound and form.is_valid():
        wish = dict(form.cleaned_data)
        del wish["home"]
        if wish["application"]:
            del wish["client_id"], wish["client_secret"]
        try:
            account = connect.paste(request.user, now=timezone.now(), **wish)
        except connect.ConnectRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(
                request, f"Connected {account.partner} ({', '.join(account.marketplaces)}) as {account.name}."
            )
            if account.message:
                messages.warning(request, account.message)
            return redirect(_with_account(return_to, account)) if return_to else redirect(account)
    return render(request, "accounts/paste.html", {"form": form, "return_to": return_to})
