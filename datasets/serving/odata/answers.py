"""The envelope of every OData answer: headers that clients insist on, and errors in OData's shape (`http/problems.py`)."""

import functools
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from datasets.serving.http.problems import ODATA_JSON as JSON
from datasets.serving.http.problems import View, odata_response_of, of_exception
from datasets.serving.odata import preferences
from datasets.serving.odata.errors import NotOffered

ROOT = "/odata/v4/"
METHODS = ("GET", "HEAD")


def answer(content: str, content_type: str = JSON) -> HttpResponse:
    """A good answer. The version stands in it exactly once: Excel stumbles over two."""
    response = HttpResponse(content, content_type=content_type)
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization, Cookie, Accept, Prefer"
    return response


def endpoint(view: View) -> View:
    """A view of this service: reads only, and says what is wrong as OData does."""

    @csrf_exempt  # nothing is changed here
    @functools.wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            if request.method not in METHODS:
                raise NotOffered("This service is read-only: use GET or HEAD.", headers={"Allow": ", ".join(METHODS)})
            preferences.check(request)
            response = view(request, *args, **kwargs)
        except Exception as exception:
            problem = of_exception(exception)
            if problem is None:
                raise
            response = odata_response_of(problem, request)
        response["OData-Version"] = "4.0"
        return response

    return run
