"""Buyers and where they live, from a number each order carries."""

FIRST = ("Ada", "José", "Zoë", "Minh", "Fatima", "Oluwaseun", "Søren", "美咲", "O'Neil", "Mary Ann", "Žaneta", "Li")
LAST = (
    "Smith",
    "García Márquez",
    "Müller-Lüdenscheidt",
    "Nguyễn",
    "van der Berg",
    "Öztürk",
    "佐藤",
    "Doe, Jr.",
    "Null",
)

# Per country: city, state, postal code.
PLACES = {
    "US": (
        ("Seattle", "WA", "98101"),
        ("Boston", "MA", "02108"),
        ("Holtsville", "NY", "00501"),
        ("Winston-Salem", "NC", "27101-2345"),
        ("CAÑON CITY", "CO", "81212"),
        ("Honolulu", "HI", "96813"),
    ),
    "CA": (("Montréal", "QC", "H2Y 1C6"), ("Toronto", "ON", "M5V 2T6"), ("St. John's", "NL", "A1C 5S7")),
    "MX": (("Ciudad de México", "CDMX", "06000"), ("Mérida", "Yucatán", "97000")),
    "UK": (("London", "", "SW1A 1AA"), ("Stoke-on-Trent", "Staffordshire", "ST1 1AA")),
    "DE": (("Köln", "", "50667"), ("Dresden", "Sachsen", "01067")),
    "FR": (("Saint-Étienne", "", "42000"), ("Bourg-en-Bresse", "", "01000")),
    "JP": (("千代田区", "東京都", "100-0001"), ("札幌市", "北海道", "060-0001")),
    "AU": (("Darwin", "NT", "0800"), ("Sydney", "NSW", "2000")),
}
ISO = {"UK": "GB"}


def name(number):
    return f"{FIRST[number % len(FIRST)]} {LAST[number // 16 % len(LAST)]}"


def place(number, country):
    """(city, state or '', postal code, ISO country)."""
    places = PLACES[country]
    return (*places[number // 256 % len(places)], ISO.get(country, country))


def email(number):
    return f"{number:09x}@marketplace.amazon.example"


def address(number, country, company=None):
    """As Amazon gives it: absent parts are left out, one in four lines 2 is there."""
    city, state, postal, iso = place(number, country)
    content = {
        "name": name(number),
        "companyName": company,
        "addressLine1": f"{number % 990 + 1} Harbour Road",
        "addressLine2": f"Suite {number % 40}" if number % 4 == 0 else None,
        "city": city,
        "stateOrRegion": state or None,
        "postalCode": postal,
        "countryCode": iso,
        "phone": f"+1 555 {number % 10**7:07d}" if number % 3 else None,
        "addressType": "COMMERCIAL" if company else "RESIDENTIAL",
    }
    return {key: value for key, value in content.items() if value is not None}
