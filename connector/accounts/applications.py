"""The installation's own Amazon application: LWA_CLIENT_ID and related variables, kept in step with the row without an
owner."""

from django.conf import settings
from django.db import IntegrityError, transaction

from connector.accounts import looks
from connector.accounts.models import Application, User
from connector.accounts.sealing import CannotOpen
from connector.runtime.env import Misconfigured
from connector.spapi.errors import Doubted, SecretRejected, SpapiError

NAME = "This installation's application"


def check_environment() -> None:
    """A client id without its secret, or the reverse, is a mistake best reported at start-up."""
    if settings.LWA_CLIENT_ID and not settings.LWA_CLIENT_SECRET:
        raise Misconfigured("LWA_CLIENT_SECRET", "LWA_CLIENT_ID is set but its secret is not. Set both, or neither.")
    if settings.LWA_CLIENT_SECRET and not settings.LWA_CLIENT_ID:
        raise Misconfigured("LWA_CLIENT_ID", "LWA_CLIENT_SECRET is set but its client id is not. Set both, or neither.")


def default() -> Application | None:
    """The application that everybody may use, or None where the environment names none."""
    if not settings.LWA_CLIENT_ID:
        return None
    found = Application.objects.filter(owner=None, client_id=settings.LWA_CLIENT_ID).first()
    if found:
        return in_step(found)
    try:
        with transaction.atomic():
            return Application.objects.create(
                owner=None,
                name=NAME,
                client_id=settings.LWA_CLIENT_ID,
                client_secret=settings.LWA_CLIENT_SECRET,
                application_id=settings.SPAPI_APPLICATION_ID,
            )
    except IntegrityError:  # another process created it at the same time
        return Application.objects.get(owner=None, client_id=settings.LWA_CLIENT_ID)


def in_step(application: Application) -> Application:
    """Takes over a secret or an application id that the environment has changed since; others are left alone."""
    if application.owner_id is not None or application.client_id != settings.LWA_CLIENT_ID:
        return application
    if application.application_id != settings.SPAPI_APPLICATION_ID:
        application.application_id = settings.SPAPI_APPLICATION_ID
        application.save(update_fields=["application_id"])
    try:
        stored = application.client_secret
    except CannotOpen:  # reported where the secret is needed; a missing key is no reason to overwrite it
        return application
    if stored != settings.LWA_CLIENT_SECRET:
        application.mark_ready(settings.LWA_CLIENT_SECRET)
    return application


def refused(application: Application, problem: SpapiError, *, took: float, tells_person: bool = False) -> SpapiError:
    """Amazon does not take the secret: what to raise or show for it. Only a second look marks the application, with which all
    its accounts pause; a worker waits for that (Doubted), a person is told at once (SecretRejected)."""
    try:
        looks.judge(looks.of_secret(application), problem, took=took, is_final=not application.is_ready)
    except Doubted as doubted:
        return SecretRejected(application.doubt, **problem.facts) if tells_person else doubted
    application.mark_needs_secret()
    return SecretRejected(application.message, **problem.facts)


def choices(user: User) -> list[Application]:
    """What this person can connect with, the installation's own first."""
    first = default()
    others = Application.objects.of(user).exclude(pk=first.pk) if first else Application.objects.of(user)
    return ([first] if first else []) + list(others.order_by("name"))
