"""What Amazon says of a seller: the marketplaces it takes part in, and the name of its store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.accounts import error_texts
from connector.accounts.models import Account
from connector.spapi import marketplaces as amazon
from connector.spapi.client import Client
from connector.spapi.errors import SpapiError


@dataclass(frozen=True)
class Seen:
    """What Amazon told of a seller when it was asked."""

    countries: tuple[str, ...] = ()  # of the account's region; empty when Amazon did not say
    store: str = ""
    problem: str = ""  # why Amazon did not say, as a sentence

    def ordered(self, before: Sequence[str], keep_home: bool) -> list[str]:
        """All of them, the home marketplace first, as the account's days follow its clock; those of before when none are known."""
        home = before[0]
        if not self.countries:
            return list(before)
        first = [home] if keep_home or home in self.countries else []
        return first + [country for country in self.countries if country != home]

    def doubts(self, wanted: Iterable[str]) -> str:
        """What a user should know about the marketplaces wanted; nothing when Amazon lists them all."""
        if self.problem:
            return f"The seller's marketplaces could not be confirmed: {self.problem}"
        strange = [country for country in wanted if self.countries and country not in self.countries]
        if not strange:
            return ""
        return (
            f"Amazon does not list {', '.join(strange)} for this seller, so reports for these marketplaces may be "
            f"refused. It lists {', '.join(self.countries)}."
        )


def look(account: Account, client: Client) -> Seen:
    """Asks Amazon where this seller sells. Vendors have no such list."""
    if not account.is_seller:
        return Seen()
    try:
        answer = client.call("getMarketplaceParticipations")
    except SpapiError as problem:
        return Seen(problem=error_texts.words(problem))
    entries: Any = answer.json.get("payload") if isinstance(answer.json, dict) else answer.json
    countries: list[str] = []
    stores: list[str] = []
    for entry in entries or ():
        country = _country(entry, account.region)
        if country and country not in countries:
            countries.append(country)
            stores.append(entry.get("storeName") or "")
    if not countries:
        return Seen(problem=f"Amazon lists no marketplace of the region {account.region} for it.")
    return Seen(tuple(countries), next(filter(None, stores), ""))


def _country(entry: Mapping[str, Any], region: str) -> str | None:
    """The country of one participation, if the seller takes part there and it is of this region."""
    if not (entry.get("participation") or {}).get("isParticipating"):
        return None
    try:
        place = amazon.by_id((entry.get("marketplace") or {}).get("id", ""))
    except KeyError:  # Amazon also lists places that are no marketplace of this API
        return None
    return place.country if place.region == region else None
