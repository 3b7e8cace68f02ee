"""What a day says of how its answer was read, in sentences for users."""

from connector.spapi.charsets import Choice


def charset(choice: Choice) -> list[str]:
    """Sentences about a `connector.spapi.charsets.Choice`: where it differs from the label, and which bytes fit no
    charset."""
    found = []
    if choice.differs:
        if not choice.label:
            found.append(f"Amazon's file does not name a charset; it was read as {choice.name}, which its bytes match.")
        elif choice.is_known:
            found.append(
                f"Amazon labels its file {choice.label[:40]}; it was read as {choice.name}, which its bytes match."
            )
        else:
            found.append(
                f"Amazon labels its file {choice.label[:40]}, which is not a known charset; it was read as "
                f"{choice.name}."
            )
    if choice.misfits:
        some = "1 character is" if choice.misfits == 1 else f"{choice.misfits:,} characters are"
        found.append(
            f"{some} damaged in Amazon's file (not valid {choice.name}) and became \ufffd; the raw file has the original bytes."
        )
    return found
