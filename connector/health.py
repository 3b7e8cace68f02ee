"""Health probes: is this process alive, and can it serve requests now?"""

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from connector.runtime.readiness import broker_problem, database_problem, migrations_problem, worker_problem


def healthz(_request: HttpRequest) -> JsonResponse:
    """This process answers; asks nobody else."""
    return JsonResponse({"status": "ok"})


def readyz(_request: HttpRequest) -> JsonResponse:
    """Each required part, with the reason if it is not ready."""
    reasons = {"database": database_problem()}
    unknown = "Unknown while the database is unavailable."
    reasons["migrations"] = unknown if reasons["database"] else migrations_problem()
    reasons["broker"] = broker_problem()
    reasons["worker"] = unknown if reasons["database"] else worker_problem(reasons["migrations"])
    checks = {name: {"ready": reason is None, "reason": reason or ""} for name, reason in reasons.items()}
    ready = all(check["ready"] for check in checks.values())
    return JsonResponse({"status": "ready" if ready else "not ready", "checks": checks}, status=200 if ready else 503)


class Probes:
    """Outermost middleware: platforms probe by IP address and over plain HTTP, and must be neither refused nor
    redirected."""

    VIEWS = {"/healthz": healthz, "/readyz": readyz}

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        view = self.VIEWS.get(request.path_info)
        if view and request.method in ("GET", "HEAD"):
            response = view(request)
            response.headers["Cache-Control"] = "no-store"
            response._has_been_logged = True  # type: ignore[attr-defined]  # Django's mark: 503 is a valid answer to a probe, not an error
            return response
        return self.get_response(request)
