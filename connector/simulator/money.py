"""Whole numbers of the smallest unit, and how Amazon writes them."""


def text(amount, marketplace):
    """1999 → 19.99; currencies without a smaller unit stay whole."""
    if not marketplace.digits:
        return str(amount)
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), 10**marketplace.digits)
    return f"{sign}{whole}.{part:0{marketplace.digits}d}"


def money(amount, marketplace):
    return {"amount": text(amount, marketplace), "currencyCode": marketplace.currency}
