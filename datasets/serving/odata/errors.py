"""Problems specific to OData."""

from datasets.problems import Problem


class NotOffered(Problem):
    """Part of OData, but not of what is served here."""

    status, code, title = 501, "not_implemented", "Not offered here"


class PreconditionFailed(Problem):
    """The client asks for a condition that cannot be kept."""

    status, code, title = 412, "precondition_failed", "Not under this condition"
