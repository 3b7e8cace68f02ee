"""The Accounts pages: connect, look, test, rename, renew, remove; and the applications they connect by."""

from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, ProtectedError
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connector.accounts import applications, checkup, connect, looks
from connector.accounts.entries import read_name
from connector.accounts.forms import (
    ApplicationDetailsForm,
    ApplicationForm,
    ConnectForm,
    ConsentForm,
    PasteForm,
    RenameForm,
    SecretForm,
    TokenForm,
)
from connector.accounts.models import Account, Application
from connector.accounts.privacy import kept_private, path_of_ours

# Accounts


@require_GET
@login_required
def account_list(request):
    accounts = Account.objects.of(request.user).select_related("application")
    mine = {
        "accounts": accounts.annotate(dataset_count=Count("datasets"))
        .prefetch_related("refused_marketplaces")
        .order_by("name"),
        "applications": applications.choices(request.user),
    }
    return render(request, "accounts/list.html", mine)


@require_GET
@login_required
def account_detail(request, account_id):
    return _detail(request, find_account(request, account_id))


@require_POST
@login_required
def rename(request, account_id):
    account = find_account(request, account_id)
    form = RenameForm(request.POST)
    if form.is_valid():
        problems = {}
        name = read_name(request.user, form.cleaned_data["name"], problems, but=account)
        if not problems:
            account.rename(name)
            messages.success(request, f"The account is now named {name}. Its datasets are as they were.")
            return redirect(account)
        form.refuse(connect.ConnectRefused(problems))
    return _detail(request, find_account(request, account_id), rename_form=form)


@require_POST
@login_required
def test(request, account_id):
    account = find_account(request, account_id)
    findings = checkup.examine(account)
    return _detail(request, find_account(request, account_id), findings=findings)


@require_POST
@login_required
def delete(request, account_id):
    account = find_account(request, account_id)
    try:
        account.delete()
    except ProtectedError:
        messages.error(
            request,
            f"{account.name} was not removed, because datasets use it: {_names_of_datasets(account)}. Remove them first.",
        )
        return redirect(account)
    messages.success(
        request,
        f"{account.name} is removed, its tokens with it. To withdraw the consent at Amazon too, open Manage Your Apps there.",
    )
    return redirect("accounts")


def find_account(request, account_id):
    """This person's account; a stranger's is as if it did not exist."""
    return get_object_or_404(Account.objects.of(request.user).select_related("application"), pk=account_id)


def _detail(request, account, **more):
    page = {
        "account": account,
        "datasets": account.datasets.order_by("name"),
        "refused": account.refused_marketplaces.all(),
        "doubts": looks.open_doubts(account) if account.works else (),
        "rename_form": RenameForm(initial={"name": account.name}),
    }
    return render(request, "accounts/detail.html", page | more)


def _names_of_datasets(account):
    names = list(account.datasets.order_by("name").values_list("name", flat=True))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


# Amazon's consent page


@kept_private()
@require_http_methods(["GET", "POST"])
@login_required
def connect_account(request):
    """Asks what to connect, then leads to Amazon's consent page."""
    return_to = _wanted_path(request)
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
def reauthorize(request, account_id):
    """Renews an account: by Amazon's consent page, or with another pasted token. Its datasets stay."""
    account = find_account(request, account_id)
    pasted = request.method == "POST" and "refresh_token" in request.POST
    consents = request.method == "POST" and not pasted
    token_form = TokenForm(request.POST if pasted else None)
    consent_form = ConsentForm(request.POST if consents else None)
    try:
        if pasted and token_form.is_valid():
            connect.replace_token(account, token_form.cleaned_data["refresh_token"], now=timezone.now())
            messages.success(request, f"{account.name} has its new token. Its datasets go on by themselves.")
            return redirect(account)
        if consents and consent_form.is_valid():
            return _leave_for_amazon(
                request,
                account=account,
                application=applications.in_step(account.application),
                kind=account.kind,
                marketplace=account.marketplaces[0],
                return_to=_wanted_path(request),
                draft=consent_form.cleaned_data["draft"],
            )
    except connect.ConnectRefused as refusal:
        (token_form if pasted else consent_form).refuse(refusal)
    page = {
        "account": account,
        "consent_form": consent_form,
        "token_form": token_form,
        "return_to": _wanted_path(request),
        "callback_url": connect.callback_url(),
    }
    return render(request, "accounts/reauthorize.html", page)


def _leave_for_amazon(request, **wish):
    address = connect.begin(request.user, request.session.session_key, now=timezone.now(), **wish)
    response = redirect(address)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@kept_private("no-referrer")
@require_GET
def callback(request):
    """The return from Amazon's consent page: the one GET that changes something, once its state is proven to be ours."""
    if not request.user.is_authenticated:
        return _refused(
            request,
            "Nobody is signed in here any more, so it is not known for whom the connection was begun. "
            "Nothing was saved. Sign in and start again from the Accounts page.",
        )
    given = request.GET
    try:
        consent = connect.complete(
            request.user,
            request.session.session_key,
            given.get("state"),
            given.get("spapi_oauth_code"),
            given.get("selling_partner_id"),
            now=timezone.now(),
        )
    except connect.ConsentRefused as refusal:
        return _refused(request, str(refusal))
    account = consent.account
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
            request, f"The same {account.kind} is also connected as {twin.name}. Both work; you may remove one."
        )
    if consent.return_to:
        return redirect(_with_account(consent.return_to, account))
    return redirect(account)


def _refused(request, sentence):
    return render(request, "accounts/refused.html", {"sentence": sentence}, status=400)


def _wanted_path(request):
    """Where the person was before, for example in the middle of a new dataset."""
    given = request.POST if request.method == "POST" else request.GET
    return path_of_ours(given.get("return_to") or given.get("next"))


def _with_account(path, account):
    parts = urlsplit(path)
    kept = [pair for pair in parts.query.split("&") if pair and not pair.startswith("account=")]
    return parts._replace(query="&".join([*kept, urlencode({"account": account.pk})])).geturl()


# A pasted refresh token


@sensitive_post_parameters("refresh_token", "client_secret")
@kept_private()
@require_http_methods(["GET", "POST"])
@login_required
def paste(request):
    return_to = _wanted_path(request)
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


# Applications


@sensitive_post_parameters("client_secret")
@kept_private()
@require_http_methods(["GET", "POST"])
@login_required
def new_application(request):
    return_to = _wanted_path(request)
    form = ApplicationForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            application = connect.add_application(request.user, **form.cleaned_data)
        except connect.ConnectRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"{application.name} is added. Amazon takes its id and secret.")
            return redirect(return_to or application)
    page = {"form": form, "return_to": return_to, "callback_url": connect.callback_url()}
    return render(request, "accounts/application_new.html", page)


@sensitive_post_parameters("client_secret")
@kept_private()
@require_http_methods(["GET", "POST"])
@login_required
def application(request, application_id):
    """One's own application: its details, and a new secret, which Amazon has to take before it replaces the old one."""
    found = get_object_or_404(Application.objects.filter(owner=request.user), pk=application_id)
    secret_sent = request.method == "POST" and "client_secret" in request.POST
    details_sent = request.method == "POST" and not secret_sent
    secret_form = SecretForm(request.POST if secret_sent else None)
    details_form = ApplicationDetailsForm(
        request.POST if details_sent else None, initial={"name": found.name, "application_id": found.application_id}
    )
    if secret_sent and secret_form.is_valid():
        try:
            connect.replace_secret(found, secret_form.cleaned_data["client_secret"])
        except connect.ConnectRefused as refusal:
            secret_form.refuse(refusal)
        else:
            messages.success(
                request, "Amazon takes the new secret. All accounts of this application go on by themselves."
            )
            return redirect(found)
    if details_sent and details_form.is_valid():
        found.describe(**details_form.cleaned_data)
        messages.success(request, f"{found.name} is changed.")
        return redirect(found)
    page = {
        "application": found,
        "accounts": found.accounts.order_by("name"),
        "secret_form": secret_form,
        "details_form": details_form,
        "callback_url": connect.callback_url(),
    }
    return render(request, "accounts/application.html", page)


@require_POST
@login_required
def delete_application(request, application_id):
    found = get_object_or_404(Application.objects.filter(owner=request.user), pk=application_id)
    try:
        found.delete()
    except ProtectedError:
        messages.error(
            request, f"{found.name} was not removed, because accounts are connected by it. Remove them first."
        )
        return redirect(found)
    messages.success(request, f"{found.name} is removed, its secret with it.")
    return redirect("accounts")
