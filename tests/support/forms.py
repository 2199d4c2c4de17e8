"""Find the forms of a page, with what a browser would submit when nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

NOT_SUBMITTED = {"button", "file", "image", "reset", "submit"}  # a button counts only when it is the one pressed


@dataclass
class Form:
    """One form: where it goes, and its successful controls by name (no button pressed)."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _FormParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self._is_inside = False
        self._textarea: str | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").lower()))
            self._is_inside = True
        if not self._is_inside:
            return
        fields, name = self.forms[-1].fields, values.get("name", "")
        if tag == "input" and name and values.get("type", "text") not in NOT_SUBMITTED:
            if values.get("type") not in {"checkbox", "radio"} or "checked" in values:
                fields[name] = values.get("value", "")
        elif tag == "textarea" and name:
            fields[name], self._textarea = "", name
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and (self._select not in fields or "selected" in values):
            fields[self._select] = values.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self.forms[-1].fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_inside = False
        elif tag == "textarea":
            self._textarea = None
        elif tag == "select":
            self._select = None


def find_form(page: str, control: str) -> Form:
    """Return the first form of `page` that has a control named `control`."""
    parser = _FormParser()
    parser.feed(page)
    found = next((form for form in parser.forms if control in form.fields), None)
    assert found is not None, (
        f"no form with {control!r} among {[form.action for form in parser.forms]} in {page[:2000]}"
    )
    return found
