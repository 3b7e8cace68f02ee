"""Sign in, sign out, one-time links, the first administrator."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login as start_session
from django.contrib.auth import logout as end_session
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from connector.accounts import loginlinks, throttle
from connector.accounts.entry_forms import FirstAdminForm, LoginForm
from connector.accounts.privacy import kept_private, path_of_ours

BACKEND = "django.contrib.auth.backends.ModelBackend"


def next_path(request: HttpRequest) -> str:
    """The page the user wanted to open, if it is on this site."""
    return path_of_ours(request.POST.get("next") or request.GET.get("next"))


@sensitive_post_parameters("password")
@kept_private()
@require_http_methods(["GET", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    going_to = next_path(request)
    if request.user.is_authenticated:
        return redirect(going_to or settings.LOGIN_REDIRECT_URL)
    form = LoginForm(request.POST if request.method == "POST" else None)
    page = {"form": form, "next": going_to, "nobody_is_here": loginlinks.nobody_is_here()}
    if not form.is_bound or not form.is_valid():
        return render(request, "registration/login.html", page)

    name, address = form.cleaned_data["username"], request.META.get("REMOTE_ADDR") or "unknown"
    try:
        throttle.note_try(name, address, timezone.now())
    except throttle.TooManyTries as problem:
        minutes = -(-problem.seconds // 60)
        form.add_error(
            None,
            f"Too many attempts. Wait {minutes} minute{'s' if minutes > 1 else ''} before you try this name again "
            "from here. The account is not locked.",
        )
        response = render(request, "registration/login.html", page, status=429)
        response.headers["Retry-After"] = problem.seconds
        return response
    user = form.find_user(request)
    if user is None:
        form.add_error(None, "The name and password do not match. Check both and try again.")
        return render(request, "registration/login.html", page)
    throttle.forget(name, address)
    start_session(request, user)
    return redirect(going_to or settings.LOGIN_REDIRECT_URL)


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    end_session(request)
    return redirect("login")


@kept_private()
@require_http_methods(["GET", "POST"])
def login_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, POST uses the link: programs that only fetch links do not use them up."""
    now = timezone.now()
    going_to = next_path(request)
    if request.method == "POST":
        user = loginlinks.use(token, now)
        if user:
            start_session(request, user, backend=BACKEND)
            return redirect(going_to or settings.LOGIN_REDIRECT_URL)
    else:
        link = loginlinks.look(token, now)
        if link and link.user and link.user.is_active:
            return render(request, "registration/login_link.html", {"person": link.user, "next": going_to})
    return dead_link(request)


@sensitive_post_parameters("password", "again")
@kept_private()
@require_http_methods(["GET", "POST"])
def first_admin(request: HttpRequest, token: str) -> HttpResponse:
    now = timezone.now()
    link = loginlinks.look(token, now)
    if link is None or link.user or not loginlinks.nobody_is_here():
        return dead_link(request)
    form = FirstAdminForm(request.POST if request.method == "POST" else None)
    if not form.is_bound or not form.is_valid():
        return render(request, "registration/first_admin.html", {"form": form})
    user = loginlinks.make_first_admin(token, form.cleaned_data["email"], form.cleaned_data["password"], now)
    if user is None:
        return dead_link(request)
    start_session(request, user, backend=BACKEND)
    messages.success(request, f"Welcome. {user.email} is the first administrator of this installation.")
    return redirect("accounts")


def dead_link(request: HttpRequest) -> HttpResponse:
    return render(request, "registration/dead_link.html", {"nobody_is_here": loginlinks.nobody_is_here()}, status=400)
