"""Privacy of navigation: headers for private pages, and redirects that stay on this site."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import url_has_allowed_host_and_scheme

View = Callable[..., HttpResponseBase]

MAX_PATH = 4000


def kept_private(referrer: str = "strict-origin") -> Callable[[View], View]:
    """No cache keeps the answer, and its address does not travel on as a referrer.

    A page with a form cannot say no-referrer: browsers would send the form with `Origin: null`, which is refused as forged.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def private(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response = view(request, *args, **kwargs)
            response.headers["Cache-Control"] = "no-store"
            response.headers.setdefault("Referrer-Policy", referrer)
            return response

        return private

    return decorate


def path_of_ours(path: str | None) -> str:
    """The path, if it is one of this site; nothing otherwise, so that no link redirects the user to another site."""
    path = path or ""
    ours = path.startswith("/") and len(path) <= MAX_PATH and path.isprintable()
    return path if ours and url_has_allowed_host_and_scheme(path, allowed_hosts=None) else ""


def path_back(request: HttpRequest) -> str:
    """Where the person was before, for example in the middle of a new dataset; nothing where that is no path of ours."""
    given = request.POST if request.method == "POST" else request.GET
    return path_of_ours(given.get("return_to") or given.get("next"))
