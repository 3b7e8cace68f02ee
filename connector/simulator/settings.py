"""Switches that change how the simulator behaves as a whole; a test sets them through /simulator/settings."""

from dataclasses import asdict, dataclass, fields


@dataclass
class Settings:
    rate_factor: float = 1.0
    """Multiplies every published rate."""
    processing_seconds: float = 2.0
    """From createReport until a report is finished; the first third of it in the queue."""
    cancel_when_empty: bool = True
    """A report without a row ends CANCELLED; otherwise DONE with a header only."""
    reports_regional: bool = True
    """The all-orders files hold every marketplace of the region, whichever were asked for."""
    flat_file_order_item_id: bool = False
    """Add the order-item-id column that some accounts see."""
    report_lag_seconds: float = 0.0
    """Orders younger than this are not in a report yet."""
    late_seconds: float = 0.0
    """One order in forty is not seen at all, by any operation, until so long after it was placed."""
    report_spacing_seconds: float = 0.0
    """The same report asked for again within this time ends CANCELLED."""
    compress: bool = True
    document_seconds: float = 300.0
    token_seconds: int = 3600
    code_seconds: float = 300.0
    page_token_seconds: float = 86400.0

    def change(self, values):
        """Take new values by name; raises ValueError that says what is wrong."""
        known = {each.name: type(getattr(self, each.name)) for each in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown setting {name}; there are {', '.join(known)}")
            numeric = isinstance(value, int | float) and not isinstance(value, bool)
            if not (isinstance(value, bool) if known[name] is bool else numeric):
                raise ValueError(f"{name} must be {known[name].__name__}, not {value!r}")
        for name, value in values.items():
            setattr(self, name, known[name](value))

    def as_json(self):
        return asdict(self)
