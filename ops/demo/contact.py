"""Who signs up with what, and who calls about a purchase."""

from __future__ import annotations

from collections.abc import Iterator

from ops.demo.derivation import Derivation, is_anonymous, viewed
from ops.demo.people import Person
from ops.demo.shares import HOUR_MS, MINUTE_MS
from ops.demo.source import Purchase
from ops.demo.timed import APP, PHONE, TimedEvent, timed

FIRST_SIGN_UP_MS = HOUR_MS
LAST_SIGN_UP_MS = 18 * HOUR_MS


def sign_up(d: Derivation, person: Person) -> Iterator[TimedEvent]:
    """First day: profile with all identifiers, consent, first visit of the EC site (which links the cookie)."""
    sk = person.customer_sk
    at = d.window.start_ms + FIRST_SIGN_UP_MS + d.draw.number("sign-up", sk) % (LAST_SIGN_UP_MS - FIRST_SIGN_UP_MS)
    yield timed(
        "ProfileUpdated",
        d.event_id("profile", sk),
        at,
        APP,
        person.ids("member_id", "email", "phone", "loyalty_card", "line_user_id", "device_id"),
        name=person.name,
        locale=person.locale,
        time_zone=person.time_zone,
        preferred_channel=person.preferred_channel,
    )
    if person.consent is not None:
        member = person.ids("member_id", "device_id")
        given = {"purpose": "marketing", "channels": list(person.consent), "evidence": "signup-form-v3"}
        yield timed("ConsentGiven", d.event_id("consent", sk), at + MINUTE_MS, APP, member, **given)
        if d.draw.chance(d.shares.withdraws, "withdraws", sk):
            day = d.draw.between((1, d.window.days - 1), "withdraws on", sk)
            taken = {"purpose": "marketing", "channels": [], "evidence": "preference-page"}
            withdrawn_at = d.window.at(day, 12 * HOUR_MS)
            yield timed("ConsentWithdrawn", d.event_id("withdrawal", sk), withdrawn_at, APP, member, **taken)
    visitor, product = person.ids("member_id", "cookie"), d.draw.pick(d.shelf, "first visit", sk)
    yield viewed(d.event_id("visit", sk), at + 2 * MINUTE_MS, visitor, product)


def call_after(d: Derivation, purchase: Purchase, person: Person, day: int) -> Iterator[TimedEvent]:
    """A call the day after about up to three of the products, the caller known by phone number only."""
    shares, draw = d.shares, d.draw
    what = (purchase.kind, purchase.number)
    if is_anonymous(d, purchase) or not draw.chance(shares.calls, "calls", *what):
        return
    opens, closes = shares.call_hours
    begun_at = d.window.at(day + 1, opens * HOUR_MS + draw.number("call", *what) % ((closes - opens) * HOUR_MS))
    seconds = draw.between(shares.call_seconds, "call lasts", *what)
    ended_at = begun_at + seconds * 1000
    caller, agent = person.ids("phone"), f"agent-{draw.between((1, 12), 'agent', *what):02d}"
    thread, order_id = "-".join(map(str, ("inq", draw.seed, *what))), d.order_id(purchase)
    about = {"topic": "order", "inquiry_id": thread, "order_id": order_id}
    asked = {"subject": f"Question about {order_id}", "agent_id": agent}
    yield timed("InquiryOpened", d.event_id("call", *what), begun_at, PHONE, caller, **about, **asked)
    talked = [d.catalogue[line.item_sk] for line in purchase.lines[: draw.between((1, 3), "products", *what)]]
    yield timed(
        "CallEnded",
        d.event_id("call-end", *what),
        ended_at,
        PHONE,
        caller,
        call_id="-".join(map(str, ("call", draw.seed, *what))),
        duration_seconds=seconds,
        products=[{"sku": item.sku, "name": item.name, "url": item.url} for item in talked],
        agent_id=agent,
        inquiry_id=thread,
    )
    if draw.chance(shares.solved_in_call, "solved", *what):
        solved_at = ended_at + MINUTE_MS
        yield timed("InquiryClosed", d.event_id("solved", *what), solved_at, PHONE, caller, **about, solved=True)
