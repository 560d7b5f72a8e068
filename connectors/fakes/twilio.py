"""Twilio's Messages resource: create, list, fetch. Bodies follow Twilio Docs: "Messages resource", "Twilio's Response",
"Error and Warning Dictionary", "Test credentials" (the magic numbers below fail as they do there)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlencode

from aiohttp import web

from connectors.fakes.faults import Fault, Faults
from connectors.fakes.http_fault import cut
from connectors.fakes.inbox import Inbox, Received

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_LONGEST_BODY = 1600
_PAGE_SIZE = 50
_LARGEST_PAGE = 1000

_Error = tuple[int, int, str]  # HTTP status, Twilio code, message
_MAGIC_TO: dict[str, _Error] = {
    "+15005550001": (400, 21211, "The 'To' number +15005550001 is not a valid phone number."),
    "+15005550002": (400, 21612, "The 'To' phone number +15005550002 is not currently reachable via SMS."),
    "+15005550003": (400, 21408, "Permission to send an SMS has not been enabled for the region."),
    "+15005550004": (400, 21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (400, 21614, "'To' number is not a valid mobile number: +15005550009"),
}
_MAGIC_FROM: dict[str, _Error] = {
    "+15005550001": (400, 21212, "The 'From' number +15005550001 is not a valid phone number."),
    "+15005550008": (429, 21611, "This 'From' number has exceeded the maximum number of queued messages"),
}
_REFUSED: dict[Fault, _Error] = {
    Fault.RATE_LIMITED: (429, 20429, "Too Many Requests"),
    Fault.QUOTA_EXCEEDED: (429, 63038, "Account exceeded the 50 daily messages limit"),
    Fault.SERVER_ERROR: (500, 20500, "An internal server error has occurred"),
    Fault.SERVER_ERROR_AFTER_ACCEPT: (500, 20500, "An internal server error has occurred"),
    Fault.UNKNOWN_RECIPIENT: (400, 21211, "The 'To' number is not a valid phone number."),
}


@dataclass(frozen=True, slots=True)
class _Sms:
    sid: str
    to: str
    from_: str
    body: str
    created_ms: int


class TwilioFake:
    """One account with one number. A message counts as sent `queue_ms` after it was accepted; until then it is queued
    and has no date of sending, as on a busy number."""

    def __init__(
        self,
        inbox: Inbox,
        faults: Faults,
        *,
        account_sid: str,
        auth_token: str,
        from_number: str,
        clock: Callable[[], int],
        queue_ms: int = 0,
    ) -> None:
        self._inbox = inbox
        self._faults = faults
        self._account = account_sid
        self._authorization = "Basic " + base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode("ascii")
        self._from = from_number
        self._clock = clock
        self._queue_ms = queue_ms
        self._messages: dict[str, _Sms] = {}  # in order of arrival

    def app(self) -> web.Application:
        """The application: the account's Messages, and Twilio's 404 for all else."""
        app = web.Application()
        base = "/2010-04-01/Accounts/{account}/Messages"
        app.router.add_post(f"{base}.json", self._create)
        app.router.add_get(f"{base}.json", self._list)
        app.router.add_get(base + "/{sid:SM[0-9a-f]{32}}.json", self._fetch)
        app.router.add_route("*", "/{anything:.*}", self._not_found)
        return app

    def _denied(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != self._authorization:
            return _error(401, 20003, "Authenticate")
        if request.match_info["account"] != self._account:
            return _missing(request)
        return None

    async def _not_found(self, request: web.Request) -> web.Response:
        return _missing(request)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        denied = self._denied(request)
        if denied is not None:
            return denied
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        refusal = self._refusal(form)
        if refusal is not None:
            return _error(*refusal)
        programmed = self._faults.take("sms", form["To"])
        if programmed is None:
            return web.json_response(self._resource(self._accept(form)), status=201)
        if programmed.fault.accepts:
            self._accept(form)
        if programmed.fault.hangs:
            await self._faults.hang()
        if programmed.fault.hangs or programmed.fault.drops:
            return cut(request)
        return _error(*_REFUSED[programmed.fault], headers=programmed.headers)

    def _refusal(self, form: Mapping[str, str]) -> _Error | None:
        to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        validity = form.get("ValidityPeriod", "1")
        problems: tuple[tuple[bool, _Error], ...] = (
            (not to, (400, 21604, "A 'To' phone number is required.")),
            (not sender, (400, 21603, "A 'From' phone number is required.")),
            (not body, (400, 21602, "Message body is required.")),
            (_E164.fullmatch(to) is None, (400, 21211, f"The 'To' number {to} is not a valid phone number.")),
            (len(body) > _LONGEST_BODY, (400, 21617, "The concatenated message body exceeds the 1600 character limit")),
            (not validity.isdigit() or not 1 <= int(validity) <= 36_000, (400, 21624, "Invalid validity period value")),
        )
        for wrong, error in problems:
            if wrong:
                return error
        if sender in _MAGIC_FROM:
            return _MAGIC_FROM[sender]
        if sender != self._from:
            text = f"The From phone number {sender} is not a valid, SMS-capable inbound phone number for your account."
            return 400, 21606, text
        return _MAGIC_TO.get(to)

    def _accept(self, form: Mapping[str, str]) -> _Sms:
        sid = f"SM{len(self._messages) + 1:032x}"
        sms = _Sms(sid, form["To"], form["From"], form["Body"], self._clock())
        self._messages[sid] = sms
        further = {name: value for name, value in form.items() if name not in ("To", "From", "Body")}
        self._inbox.add(Received("sms", sms.to, sms.body, None, sid, None, sms.created_ms, further))
        return sms

    async def _fetch(self, request: web.Request) -> web.Response:
        denied = self._denied(request)
        if denied is not None:
            return denied
        sms = self._messages.get(request.match_info["sid"])
        return _missing(request) if sms is None else web.json_response(self._resource(sms))

    async def _list(self, request: web.Request) -> web.Response:
        denied = self._denied(request)
        if denied is not None:
            return denied
        query = request.query
        try:
            size = min(max(1, int(query.get("PageSize", _PAGE_SIZE))), _LARGEST_PAGE)
            page = max(0, int(query.get("Page", 0)))
            wanted = [sms for sms in self._messages.values() if self._matches(sms, query)]
        except ValueError:
            return _error(400, 20001, "Invalid parameter")
        wanted.sort(key=lambda sms: (self._sent_ms(sms) or 0, sms.sid), reverse=True)
        sids = [sms.sid for sms in wanted]
        token = query.get("PageToken", "").removeprefix("PA")
        start = sids.index(token) + 1 if token in sids else page * size
        shown = wanted[start : start + size]

        def uri(number: int, after: str | None) -> str:
            kept = {name: value for name, value in query.items() if name not in ("Page", "PageToken", "PageSize")}
            paging = {"PageSize": str(size), "Page": str(number), **({"PageToken": f"PA{after}"} if after else {})}
            return f"{request.path}?{urlencode({**kept, **paging})}"

        more = start + size < len(wanted)
        return web.json_response(
            {
                "messages": [self._resource(sms) for sms in shown],
                "page": page,
                "page_size": size,
                "start": start,
                "end": max(start, start + len(shown) - 1),
                "uri": request.path_qs,
                "first_page_uri": uri(0, None),
                "previous_page_uri": uri(page - 1, None) if page else None,
                "next_page_uri": uri(page + 1, shown[-1].sid) if more else None,
            }
        )

    def _matches(self, sms: _Sms, query: Mapping[str, str]) -> bool:
        """Date filters leave out what has no date of sending: the strictest reading of the documentation."""
        if query.get("To", sms.to) != sms.to or query.get("From", sms.from_) != sms.from_:
            return False
        bounds = {name: query[name] for name in ("DateSent", "DateSent<", "DateSent>") if name in query}
        if not bounds:
            return True
        sent_ms = self._sent_ms(sms)
        if sent_ms is None:
            return False
        sent = datetime.fromtimestamp(sent_ms / 1000, UTC)
        after, before = bounds.get("DateSent>"), bounds.get("DateSent<")
        return (
            (after is None or sent >= _moment(after))
            and (before is None or sent <= _moment(before))
            and ("DateSent" not in bounds or sent.date() == _moment(bounds["DateSent"]).date())
        )

    def _sent_ms(self, sms: _Sms) -> int | None:
        """When the message left the queue, in epoch millis; whole seconds, as Twilio has them."""
        sent_ms = sms.created_ms + self._queue_ms
        return sent_ms // 1000 * 1000 if sent_ms <= self._clock() else None

    def _resource(self, sms: _Sms) -> dict[str, object]:
        sent_ms = self._sent_ms(sms)
        uri = f"/2010-04-01/Accounts/{self._account}/Messages/{sms.sid}"
        return {
            "account_sid": self._account,
            "api_version": "2010-04-01",
            "body": sms.body,
            "date_created": _rfc2822(sms.created_ms),
            "date_sent": None if sent_ms is None else _rfc2822(sent_ms),
            "date_updated": _rfc2822(sms.created_ms if sent_ms is None else sent_ms),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": sms.from_,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "sid": sms.sid,
            "status": "queued" if sent_ms is None else "sent",
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": sms.to,
            "uri": f"{uri}.json",
        }


def _moment(text: str) -> datetime:
    """A date or an ISO 8601 time, GMT unless it says otherwise. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def _rfc2822(at_ms: int) -> str:
    return format_datetime(datetime.fromtimestamp(at_ms // 1000, UTC))


def _error(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": more_info, "status": status}
    return web.json_response(body, status=status, headers=headers)


def _missing(request: web.Request) -> web.Response:
    return _error(404, 20404, f"The requested resource {request.path} was not found")
