"""The envelope of every OData answer: headers that clients insist on, and errors in OData's shape."""

import functools
import json

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt

from datasets.serving.problems import Problem, of_exception, request_id

JSON = "application/json;odata.metadata=minimal"
ROOT = "/odata/v4/"
METHODS = ("GET", "HEAD")


class NotOffered(Problem):
    """Part of OData, but not of what is served here."""

    status, code, title = 501, "not_implemented", "Not offered here"


def answer(content, content_type=JSON):
    """A good answer. The version stands in it exactly once: Excel stumbles over two."""
    response = HttpResponse(content, content_type=content_type)
    response["Cache-Control"] = "private, no-cache"
    response["Vary"] = "Authorization, Cookie"
    return response


def refusal(problem, request):
    """The Problem as OData says it; status and headers stay."""
    details = [{"code": problem.code, "message": each["detail"], "target": each["param"]} for each in problem.errors]
    error = {"code": problem.code, "message": problem.detail, "details": details}
    response = HttpResponse(
        json.dumps({"error": error | {"innererror": {"request_id": request_id(request)}}}),
        status=problem.status,
        content_type=JSON,
    )
    for name, value in problem.headers.items():
        response[name] = value
    response["Cache-Control"] = "no-store"
    return response


def endpoint(view):
    """A view of this service: reads only, and says what is wrong as OData does."""

    @csrf_exempt  # nothing is changed here
    @functools.wraps(view)
    def run(request, *args, **kwargs):
        try:
            if request.method not in METHODS:
                raise NotOffered("This service only reads: GET and HEAD.", headers={"Allow": ", ".join(METHODS)})
            response = view(request, *args, **kwargs)
        except Exception as exception:
            problem = of_exception(exception)
            if problem is None:
                raise
            response = refusal(problem, request)
        response["OData-Version"] = "4.0"
        return response

    return run
