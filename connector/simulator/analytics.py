"""Brand analytics as JSON: sales and traffic by date and by ASIN, and the search terms of a whole marketplace.

Sales are those of the world's orders; traffic and searches are drawn by the seed, the same whenever they are asked for.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

from .clock import years_before
from .marketplaces import BY_ID
from .products import PRODUCTS
from .world import local_day

PARENTS = {product.asin: PRODUCTS[place // 3 * 3].asin for place, product in enumerate(PRODUCTS)}
_TERMS = tuple(
    f"{a} {b}".strip()
    for a in ("", "brass", "wool", "größe xl", '19" rack', "急須")
    for b in ("lamp", "mug", "gift", "tea")
)
_DEPARTMENTS = ("Amazon.com", "Kitchen & Dining", "Books")


def period(day, unit):
    """(first, last) of the day's week, Sunday to Saturday, or of its month, quarter or just the day."""
    if unit == "WEEK":
        first = day - timedelta(days=(day.weekday() + 1) % 7)
        return first, first + timedelta(days=6)
    if unit == "DAY":
        return day, day
    month = day.month if unit == "MONTH" else (day.month - 1) // 3 * 3 + 1
    following = month + (1 if unit == "MONTH" else 3)
    return date(day.year, month, 1), date(day.year + (following > 12), (following - 1) % 12 + 1, 1) - timedelta(days=1)


def dates(start, end):
    """The bounds as Amazon reads them: dates, both included; the time of day does not count."""
    return tuple(datetime.fromtimestamp(at, UTC).date() for at in (start, end))


class _Json:
    """What both have in common: a document of one marketplace, whose first part says what was asked for."""

    def columns(self, simulator):
        return ()

    def charset(self, report):
        return "utf-8", "UTF-8"

    def _specification(self, report):
        first, last = self._span(report)
        return {
            "reportType": report.type,
            "reportOptions": report.options,
            "dataStartTime": str(first),
            "dataEndTime": str(last),
            "marketplaceIds": report.marketplace_ids[:1],
        }

    def _marketplace(self, report):
        return BY_ID[report.marketplace_ids[0]]

    def _days_over(self, simulator, report):
        """The completed days of the report that are not too old."""
        now, place = report.created, self._marketplace(report)
        today, oldest = local_day(now, place.zone), local_day(years_before(now, 2), place.zone)
        first, last = self._span(report)
        return [day for day in _days(first, last) if oldest <= day < today]


@dataclass(frozen=True)
class SalesAndTraffic(_Json):
    def reason_to_fail(self, start, end, options):
        return ""

    def _span(self, report):
        """Weeks and months are widened to whole ones."""
        unit = report.options.get("dateGranularity", "DAY")
        first, last = dates(report.start, report.end)
        return period(first, unit)[0], period(last, unit)[1]

    def is_empty(self, simulator, report):
        return not self._days_over(simulator, report)

    def rows(self, simulator, report):
        """(section, record)"""
        unit = report.options.get("dateGranularity", "DAY")
        days = self._days_over(simulator, report)
        for first in sorted({period(day, unit)[0] for day in days}):
            yield "salesAndTrafficByDate", self._by_date(simulator, report, first, period(first, unit)[1])
        if days:
            for record in self._by_asin(simulator, report, days):
                yield "salesAndTrafficByAsin", record

    def write(self, report, rows, columns):
        found = {"salesAndTrafficByDate": [], "salesAndTrafficByAsin": []}
        for section, record in rows:
            found[section].append(record)
        return json.dumps({"reportSpecification": self._specification(report), **found}, ensure_ascii=False)

    def _items(self, simulator, report, days):
        place = self._marketplace(report)
        for day in days:
            for order in simulator.world.day(report.partner, place, day):
                if simulator.world.exists(order, report.created):
                    for item in order.items:
                        yield order, item

    def _by_date(self, simulator, report, first, last):
        place = self._marketplace(report)
        rng = Random(f"{simulator.world.seed}/{report.partner.number}/{place.id}/{first}/{last}/traffic")
        found = list(self._items(simulator, report, list(_days(first, last))))
        units, items = sum(item.quantity for _, item in found), len(found)
        price = sum(item.price for _, item in found)
        business = [(order, item) for order, item in found if order.buyer[1]]
        browser, mobile = (
            items * rng.randrange(8, 30) + rng.randrange(40),
            items * rng.randrange(5, 40) + rng.randrange(40),
        )
        return {
            "date": str(first),
            "salesByDate": {
                "orderedProductSales": _money(price, place),
                "orderedProductSalesB2B": _money(sum(item.price for _, item in business), place),
                "unitsOrdered": units,
                "unitsOrderedB2B": sum(item.quantity for _, item in business),
                "totalOrderItems": items,
                "totalOrderItemsB2B": len(business),
                "averageSalesPerOrderItem": _money(price // max(items, 1), place),
                "averageUnitsPerOrderItem": round(units / max(items, 1), 2),
                "averageSellingPrice": _money(price // max(units, 1), place),
                "unitsRefunded": units // 20,
                "refundRate": round(100 * (units // 20) / max(units, 1), 2),
                "claimsGranted": 0,
                "claimsAmount": _money(0, place),
                "shippedProductSales": _money(price * 9 // 10, place),
                "unitsShipped": units * 9 // 10,
                "ordersShipped": items * 8 // 10,
            },
            "trafficByDate": {
                "browserPageViews": browser * 2,
                "mobileAppPageViews": mobile * 2,
                "pageViews": (browser + mobile) * 2,
                "browserSessions": browser,
                "mobileAppSessions": mobile,
                "sessions": browser + mobile,
                "buyBoxPercentage": round(rng.uniform(60, 100), 2),
                "orderItemSessionPercentage": round(100 * items / max(browser + mobile, 1), 2),
                "unitSessionPercentage": round(100 * units / max(browser + mobile, 1), 2),
                "averageOfferCount": len(PRODUCTS),
                "averageParentItems": len(set(PARENTS.values())),
                "feedbackReceived": units // 15,
                "negativeFeedbackReceived": units // 150,
                "receivedNegativeFeedbackRate": 10.0 if units >= 150 else 0.0,
            },
        }

    def _by_asin(self, simulator, report, days):
        place, about = self._marketplace(report), report.options.get("asinGranularity", "PARENT")
        sold = {}
        for _, item in self._items(simulator, report, days):
            product = item.product
            key = (PARENTS[product.asin], product.asin, product.sku)[: {"PARENT": 1, "CHILD": 2, "SKU": 3}[about]]
            sums = sold.setdefault(key, [0, 0, 0])
            for number, more in enumerate((item.quantity, item.price, 1)):
                sums[number] += more
        for key, (units, price, items) in sorted(sold.items()):
            sessions = units * 9 + 3
            yield {
                **dict(zip(("parentAsin", "childAsin", "sku"), key, strict=False)),
                "salesByAsin": {
                    "unitsOrdered": units,
                    "orderedProductSales": _money(price, place),
                    "totalOrderItems": items,
                },
                "trafficByAsin": {
                    "browserSessions": sessions // 3,
                    "mobileAppSessions": sessions - sessions // 3,
                    "sessions": sessions,
                    "browserSessionPercentage": 33.33,
                    "mobileAppSessionPercentage": 66.67,
                    "sessionPercentage": 2.5,
                    "browserPageViews": sessions // 3 * 2,
                    "mobileAppPageViews": (sessions - sessions // 3) * 2,
                    "pageViews": sessions * 2,
                    "browserPageViewsPercentage": 33.33,
                    "mobileAppPageViewsPercentage": 66.67,
                    "pageViewsPercentage": 2.5,
                    "buyBoxPercentage": 97.5,
                    "unitSessionPercentage": round(100 * units / sessions, 2),
                },
            }


@dataclass(frozen=True)
class SearchTerms(_Json):
    def reason_to_fail(self, start, end, options):
        """A window that is no whole period is accepted when asked for and fails later."""
        unit = options.get("reportPeriod")
        if unit not in ("DAY", "WEEK", "MONTH", "QUARTER"):
            return "The reportPeriod option is required: DAY, WEEK, MONTH or QUARTER."
        first, last = dates(start, end)
        if (first, last) != period(first, unit):
            return f"The start and end dates must be the first and the last day of one {unit}."
        return ""

    def _span(self, report):
        return dates(report.start, report.end)

    def is_empty(self, simulator, report):
        first, last = self._span(report)
        return (
            len(self._days_over(simulator, report)) <= (last - first).days
        )  # a period that is not over has no figures yet

    def rows(self, simulator, report):
        if not self.is_empty(simulator, report):
            yield from search_terms(simulator.world.seed, self._marketplace(report), *self._span(report))

    def write(self, report, rows, columns):
        content = {"reportSpecification": self._specification(report), "dataByDepartmentAndSearchTerm": list(rows)}
        return json.dumps(content, ensure_ascii=False)


def search_terms(seed, marketplace, first, last):
    """The three most clicked ASINs of each term of each department."""
    rng = Random(f"{seed}/{marketplace.id}/{first}/{last}/searches")
    for department in _DEPARTMENTS:
        for rank, term in enumerate(rng.sample(_TERMS, len(_TERMS)), 1):
            for place, product in enumerate(rng.sample(PRODUCTS, 3), 1):
                yield {
                    "departmentName": department,
                    "searchTerm": term,
                    "searchFrequencyRank": rank,
                    "clickedAsin": product.asin,
                    "clickShareRank": place,
                    "clickShare": round(rng.uniform(0, 0.3) / place, 4),
                    "conversionShare": round(rng.uniform(0, 0.2), 4),
                }


def _money(amount, marketplace):
    return {
        "amount": amount / 10**marketplace.digits if marketplace.digits else amount,
        "currencyCode": marketplace.currency,
    }


def _days(first, last):
    return (first + timedelta(days=number) for number in range((last - first).days + 1))
