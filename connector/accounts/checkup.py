"""Tests an account on a user's request: does Amazon accept its token, and what does it report about the seller?"""

from dataclasses import dataclass

from connector.accounts import applications, clients, error_texts, sellers
from connector.accounts.models import Account
from connector.spapi.errors import SpapiError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, for the person who asked: its name, whether it is as it should be, and what
    was found."""

    name: str
    good: bool
    sentence: str


def examine(account: Account) -> list[Finding]:
    """What was found, one thing after another; stops at the first that Amazon refuses. Marketplaces that are new are added."""
    applications.in_step(account.application)
    token = clients.TokenSource(account.pk, asked_by_person=True)
    try:
        token(force_refresh=True)
    except SpapiError as problem:
        return [Finding("Token", False, error_texts.words(problem))]
    account.look_at_marketplaces_again()
    findings = [Finding("Token", True, "Amazon issued an access token: the consent and the secret are valid.")]
    findings += [
        Finding(
            one.country,
            False,
            f"Amazon has refused it for {one.what} since {one.since:%-d %b %Y} ({one.words}). The next run of a dataset asks "
            "once more.",
        )
        for one in account.refused_marketplaces.all()
    ]
    if not account.is_seller:
        return [
            *findings,
            Finding("Marketplaces", True, "Amazon has no such list for vendors, so there is nothing to compare."),
        ]
    seen = sellers.look(account, clients.client_with(token, account))
    if doubts := seen.doubts(account.marketplaces):
        findings.append(Finding("Marketplaces", False, doubts))
    else:
        findings.append(Finding("Marketplaces", True, f"The seller takes part in {', '.join(seen.countries)}."))
    new = [country for country in seen.countries if country not in account.marketplaces]
    if new:
        account.add_marketplaces(new)
        findings.append(
            Finding(
                "New marketplaces", True, f"{', '.join(new)}: added to the account; reports can be requested for them."
            )
        )
    return findings
