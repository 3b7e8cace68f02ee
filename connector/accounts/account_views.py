"""The Accounts pages: the list, one account, and what can be done with it; connecting is in connect_views.py."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, ProtectedError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from connector.accounts import applications, checkup, connect, looks
from connector.accounts.forms import RenameForm
from connector.accounts.input_validation import read_name
from connector.accounts.models import Account, SignedInRequest


@require_GET
@login_required
def account_list(request: SignedInRequest) -> HttpResponse:
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
def account_detail(request: SignedInRequest, account_id: UUID) -> HttpResponse:
    return _detail(request, find_account(request, account_id))


@require_POST
@login_required
def rename(request: SignedInRequest, account_id: UUID) -> HttpResponse:
    account = find_account(request, account_id)
    form = RenameForm(request.POST)
    if form.is_valid():
        problems: dict[str, str] = {}
        name = read_name(request.user, form.cleaned_data["name"], problems, but=account)
        if not problems:
            account.rename(name)
            messages.success(request, f"The account is now named {name}. Its datasets did not change.")
            return redirect(account)
        form.refuse(connect.ConnectRefused(problems))
    return _detail(request, find_account(request, account_id), rename_form=form)


@require_POST
@login_required
def test(request: SignedInRequest, account_id: UUID) -> HttpResponse:
    account = find_account(request, account_id)
    findings = checkup.examine(account)
    return _detail(request, find_account(request, account_id), findings=findings)


@require_POST
@login_required
def delete(request: SignedInRequest, account_id: UUID) -> HttpResponse:
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
        f"{account.name} and its tokens were removed. To withdraw the consent at Amazon as well, open Manage Your "
        "Apps there.",
    )
    return redirect("accounts")


def find_account(request: SignedInRequest, account_id: UUID) -> Account:
    """This person's account; those of others are treated as not existing."""
    return get_object_or_404(Account.objects.of(request.user).select_related("application"), pk=account_id)


def _detail(request: SignedInRequest, account: Account, **more: Any) -> HttpResponse:
    page = {
        "account": account,
        "datasets": account.datasets.order_by("name"),
        "refused": account.refused_marketplaces.all(),
        "doubts": looks.open_doubts(account) if account.works else (),
        "rename_form": RenameForm(initial={"name": account.name}),
    }
    return render(request, "accounts/detail.html", page | more)


def _names_of_datasets(account: Account) -> str:
    names = list(account.datasets.order_by("name").values_list("name", flat=True))
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
