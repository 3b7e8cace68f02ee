"""A question that a report asks. The form field, the check of an answer and the API's description come from it."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

KINDS = ("choice", "choices", "text", "flag", "marketplaces")
MAX_LISTED = 12  # choices that a sentence can name


@dataclass(frozen=True)
class Option:
    """`choices` are (value, title) pairs. `most` limits how many may be chosen. `also` maps other spellings to values."""

    name: str
    label: str
    kind: str = "choice"
    choices: tuple[tuple[str, str], ...] = ()
    default: object = None
    required: bool = False
    most: int | None = None
    help: str = ""
    also: Mapping = field(default_factory=dict)

    @property
    def values(self) -> tuple[str, ...]:
        """What may be answered, as programs write it."""
        return tuple(value for value, _ in self.choices)

    def clean(self, value: object, offered: Sequence[str] | None = None) -> object:
        """The answer as it is kept; ValueError with a sentence for the person who gave it.

        `offered` are the country codes of the account, for an option of marketplaces.
        """
        if not _is_empty(value):
            found = getattr(self, f"_{self.kind}")(value, offered)
            if not _is_empty(found):
                return found  # else it was blanks only
        if self.required and self.default is None:
            raise ValueError(f"{self.label}: an answer is required.{self._allowed()}")
        return self.default

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "label": self.label,
            "type": self.kind,
            "choices": list(self.values),
            "titles": dict(self.choices),
            "required": self.required,
            "default": self.default,
            "most": self.most,
            "help": self.help,
        }

    def _choice(self, value: object, offered: Sequence[str] | None) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{self.label}: one word is needed, not {_kind_of(value)}.{self._allowed()}")
        return self._known(value)

    def _choices(self, value: object, offered: Sequence[str] | None) -> list[str]:
        found = []
        for word in self._words(value):
            known = self._known(word)
            if known not in found:
                found.append(known)
        return found

    def _text(self, value: object, offered: Sequence[str] | None) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{self.label}: text is needed, not {_kind_of(value)}.")
        return value.strip()

    def _flag(self, value: object, offered: Sequence[str] | None) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in ("true", "yes", "on", "1"):
            return True
        if word in ("false", "no", "off", "0"):
            return False
        raise ValueError(f"{self.label}: true or false is needed, not '{_short(value)}'.")

    def _marketplaces(self, value: object, offered: Sequence[str] | None) -> list[str]:
        found = []
        for word in self._words(value):
            code = self.also.get(word.upper(), word.upper())
            if not re.fullmatch("[A-Z]{2}", code) or (offered is not None and code not in offered):
                known = f" This account sells in {', '.join(offered)}." if offered is not None else ""
                raise ValueError(f"{self.label}: '{_short(word)}' is not a marketplace to choose here.{known}")
            if code not in found:
                found.append(code)
        return found

    def _words(self, value: object) -> list[str]:
        if isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
            raise ValueError(f"{self.label}: a list of words is needed, not {_kind_of(value)}.{self._allowed()}")
        words = [word.strip() for word in value if word.strip()]
        if self.most and len(words) > self.most:
            raise ValueError(f"{self.label}: at most {self.most} can be chosen, not {len(words)}. Remove some.")
        return words

    def _known(self, word: str) -> str:
        if word in self.values:
            return word
        folded = _folded(word)
        for value, title in self.choices:
            if folded in (_folded(value), _folded(title)):
                return value
        for spelling, value in self.also.items():
            if _folded(spelling) == folded:
                return value
        raise ValueError(f"{self.label}: '{_short(word)}' is not one of its choices.{self._allowed(word)}")

    def _allowed(self, word: str = "") -> str:
        """What can be chosen, as people call it and as programs write it; of very many the few that are most alike."""
        if not self.choices:
            return ""
        offered = {
            value: value if _folded(title) == _folded(value) else f"{title} ({value})" for value, title in self.choices
        }
        if len(offered) <= MAX_LISTED:
            return f" Choose from {', '.join(offered.values())}."
        alike = {_folded(name): value for value, title in self.choices for name in (value, title)}
        found = difflib.get_close_matches(_folded(word), alike, n=6, cutoff=0.4)
        nearest = list(dict.fromkeys(offered[alike[name]] for name in found))[:3]
        meant = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
        return f"{meant} There are {len(offered)} to choose from."


def _is_empty(value: object) -> bool:
    return value is None or value == "" or value == []


def _folded(word: str) -> str:
    return re.sub(r"[\s_-]", "", word).casefold()


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind_of(value: object) -> str:
    return {bool: "true or false", int: "a number", float: "a number", dict: "an object", list: "a list"}.get(
        type(value), "this"
    )
