"""Somebody at a browser without scripts: follows links, fills forms in as they are drawn, keeps cookies."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.session_store import SessionKind
from nerava.identity.sessions import OPS_LINK, Client
from nerava.identity.web_sessions import COOKIE
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.http.conftest import House

KINDS = {
    Role.DRIVER: SessionKind.WEB_DRIVER,
    Role.MERCHANT_OWNER: SessionKind.WEB_MERCHANT,
    Role.MERCHANT_MANAGER: SessionKind.WEB_MERCHANT,
    Role.MERCHANT_REGISTER: SessionKind.WEB_REGISTER,
    Role.SPONSOR: SessionKind.WEB_SPONSOR,
    Role.OPS_SUPPORT: SessionKind.WEB_OPS,
    Role.OPS_FINANCE: SessionKind.WEB_OPS,
    Role.OPS_ADMIN: SessionKind.WEB_OPS,
}
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class DrawnForm:
    """A form as a page draws it: where it goes, and what its fields hold."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Browser:
    """A browser of one person; `cookies` is all that it keeps."""

    house: House
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **more: Any) -> Any:
        """Open a page, without following where it sends one."""
        return self._sent("GET", path, **more)

    def post(self, path: str, fields: dict[str, str], *, headers: dict[str, str] | None = None) -> Any:
        """Send a form of our own page."""
        named = {"Content-Type": "application/x-www-form-urlencoded", **OWN_PAGE, **(headers or {})}
        return self._sent("POST", path, content=urlencode(fields), headers=named)

    def forms(self, path: str) -> list[DrawnForm]:
        """Open a page that has to be there, and return its forms."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return forms_of(answer.text)

    def submit(self, path: str, action: str, **typed: str) -> Any:
        """Open a page, fill in the first form that goes to `action`, and send it."""
        found = [one for one in self.forms(path) if one.action == action]
        assert found, f"{path} has no form that goes to {action}"
        unknown = set(typed) - set(found[0].fields)
        assert not unknown, f"the form has no fields {unknown}"
        return self.post(action, {**found[0].fields, **typed})

    def _sent(self, method: str, path: str, **more: Any) -> Any:
        headers = {**more.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.house.client.request(method, path, headers=headers, follow_redirects=False, **more)
        self.house.client.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[DrawnForm] = []
        self._select = ""
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append(DrawnForm(given.get("action") or ""))
        if not self.forms:
            return
        fields, name = self.forms[-1].fields, given.get("name") or ""
        ticks = given.get("type") in {"checkbox", "radio"}
        if tag == "input" and name and (not ticks or "checked" in given):
            fields[name] = given.get("value") or ("on" if ticks else "")
        elif tag == "input" and name:
            fields.setdefault(name, "")
        elif tag in {"select", "textarea"} and name:
            fields[name] = ""
            self._select = name if tag == "select" else ""
            self._area = name if tag == "textarea" else ""
        elif tag == "option" and self._select and ("selected" in given or not fields[self._select]):
            fields[self._select] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1].fields[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        self._select = "" if tag == "select" else self._select
        self._area = "" if tag == "textarea" else self._area


def forms_of(html: str) -> list[DrawnForm]:
    """Return the forms of a page."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms


def text_of(html: str) -> str:
    """Return what a page says, without tags, on one line."""
    body = html.partition("<body")[2]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def browser_of(
    house: House, role: Role, tenant_id: UUID | None = None, subject: UUID | None = None
) -> Browser:
    """Return the browser of somebody who has this role and is signed in, as if with a passkey."""
    subject, tenant_id = subject or new_id(), tenant_id or new_id()
    membership = Membership(role, tenant_id if role.has_tenant else None)
    now = house.installation.clock.now()

    def unit(session: Session) -> str:
        grant_role(session, subject, membership, granted_by="test", now=now)
        opened = house.installation.sessions.open(
            session, subject, amr=(OPS_LINK,), now=now, client=Client("web"), kind=KINDS[role]
        )
        return opened.cookie

    return Browser(house, {COOKIE: house.installation.database.run(unit)})
