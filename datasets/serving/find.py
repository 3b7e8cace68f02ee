"""From what stands in a URL or a body to the thing meant, within what the caller may know of."""

import re
import uuid

from datasets.serving.problems import NotFound, shown

SEALED = ("account__refresh_token", "account__access_token")  # readers need no secret
SLUG = re.compile(r"[a-z][a-z0-9_]{0,49}")


def find_dataset(caller, name):
    """The dataset of this slug or UUID. One that the caller may not know of is not there."""
    found = None
    known = caller.datasets().select_related("account").defer(*SEALED).order_by()
    if SLUG.fullmatch(name):
        found = known.filter(slug=name).first()
    if found is None and (key := as_uuid(name)):
        found = known.filter(uuid=key).first()
    if found is None:
        raise NotFound(f"There is no dataset '{shown(name)}' that you may see.")
    return found


def as_uuid(text):
    try:
        return uuid.UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None
