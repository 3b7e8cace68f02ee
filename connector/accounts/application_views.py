"""The pages of applications: add one, change its details or its secret, remove it."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import ProtectedError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from connector.accounts import connect
from connector.accounts.forms import ApplicationDetailsForm, ApplicationForm, SecretForm
from connector.accounts.models import Application, SignedInRequest
from connector.accounts.privacy import kept_private, path_back


@sensitive_post_parameters("client_secret")
@kept_private()
@require_http_methods(["GET", "POST"])
@login_required
def new_application(request: SignedInRequest) -> HttpResponse:
    return_to = path_back(request)
    form = ApplicationForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            application = connect.add_application(request.user, **form.cleaned_data)
        except connect.ConnectRefused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"{application.name} was added. Amazon accepted its id and secret.")
            return redirect(return_to or application)
    page = {"form": form, "return_to": return_to, "callback_url": connect.callback_url()}
    return render(request, "accounts/application_new.html", page)


@sensitive_post_parameters("client_secret")
@kept_private()
@require_http_methods(["GET", "POST"])
@login_required
def application(request: SignedInRequest, application_id: UUID) -> HttpResponse:
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
                request, "Amazon accepted the new secret. All accounts of this application continue automatically."
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
def delete_application(request: SignedInRequest, application_id: UUID) -> HttpResponse:
    found = get_object_or_404(Application.objects.filter(owner=request.user), pk=application_id)
    try:
        found.delete()
    except ProtectedError:
        messages.error(
            request, f"{found.name} was not removed, because accounts are connected through it. Remove them first."
        )
        return redirect(found)
    messages.success(request, f"{found.name} and its secret were removed.")
    return redirect("accounts")
