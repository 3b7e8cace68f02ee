"""What a day says of how its answer was read, in sentences for people."""

from connector.spapi.charsets import Choice


def charset(choice: Choice) -> list[str]:
    """Sentences about a `connector.spapi.charsets.Choice`: where it departs from the label, and what fits nothing."""
    found = []
    if choice.differs:
        if not choice.label:
            found.append(f"Amazon's file names no charset; it was read as {choice.name}, which its bytes are.")
        elif choice.is_known:
            found.append(
                f"Amazon labels its file {choice.label[:40]}; it was read as {choice.name}, which its bytes are."
            )
        else:
            found.append(
                f"Amazon labels its file {choice.label[:40]}, which is no charset that is known here; it was read as {choice.name}."
            )
    if choice.misfits:
        some = "1 character is" if choice.misfits == 1 else f"{choice.misfits:,} characters are"
        found.append(
            f"{some} damaged in Amazon's file, as no {choice.name}, and became \ufffd; the raw file has the bytes."
        )
    return found
