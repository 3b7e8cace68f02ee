"""GET /api/docs: the API's description as a page, from our own files."""

import json

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET


@require_GET
def docs(request: HttpRequest) -> HttpResponse:
    wishes = {
        "url": reverse("api:openapi-json"),
        "layout": "BaseLayout",
        "deepLinking": True,
        "persistAuthorization": False,
    }
    get_token(request)
    response = render(request, "serving/docs.html", {"wishes": json.dumps(wishes)})
    # The page's own icons are data: images; scripts and styles come from our files like everywhere.
    policy = settings.SECURE_CSP | {"img-src": ["'self'", "data:"], "form-action": ["'self'"]}
    response["Content-Security-Policy"] = "; ".join(" ".join([name, *sources]) for name, sources in policy.items())
    return response
