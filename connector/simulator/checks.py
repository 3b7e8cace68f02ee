"""Rules that several operations share: what a date is, what a list is, which names count."""

import re
from datetime import datetime

from .answers import Refusal, invalid
from .marketplaces import REGION_OF

DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def parameters(request, known):
    """Values by name. Names are case-sensitive: a misspelt one is as if it were not there."""
    names = [name for name, _ in request.pairs if name in known]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise invalid(f"Parameter {min(repeated)} occurs more than once; lists are separated by commas.")
    return {name: value for name, value in request.pairs if name in known}


def date_time(text, name):
    """Seconds of an ISO 8601 date-time with its offset; a date alone is refused."""
    if isinstance(text, str) and DATE_TIME.fullmatch(text):
        try:
            return datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError):
            pass
    raise invalid(f"Invalid value for {name}: must be a date-time in ISO 8601 format, as 2026-01-31T00:00:00Z.")


def is_date_time(text):
    """Whether `date_time` takes it."""
    try:
        date_time(text, "")
    except Refusal:
        return False
    return True


def words(text, name, allowed=None, most=None):
    found = text.split(",")
    if not all(found):
        raise invalid(f"Invalid value for {name}: an entry is empty.")
    if most and len(found) > most:
        raise invalid(f"Invalid value for {name}: at most {most} entries are allowed.")
    if allowed and (wrong := [word for word in found if word not in allowed]):
        raise invalid(f"Invalid value for {name}: {wrong[0]!r} is none of {', '.join(allowed)}.")
    return found


def whole_number(text, name, least, most):
    if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= most:
        raise invalid(f"Invalid value for {name}: must be between {least} and {most}.")
    return int(text)


def marketplaces_exist(ids, partner):
    """Unknown ids and another region's are refused; where the seller does not sell there is simply nothing."""
    for each in ids:
        if each not in REGION_OF:
            raise invalid(f"Invalid marketplaceId: {each}.")
        if REGION_OF[each] != partner.region:
            raise invalid(f"marketplaceId {each} is not in the {partner.region} region of this authorization.")
