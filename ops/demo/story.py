"""One customer's week over app, web, store, chat and call centre, told so that a marketer understands it.

The numbers follow from the shipped rules and brand: LINE is what she likes best, the abandoned-cart rule waits an hour,
brand aoba is quiet from 21:00 to 09:00 in Tokyo. Whoever changes a rule sees here what that changes for Sakura.
"""

from __future__ import annotations

from dataclasses import dataclass

from ops.demo.cast import CARD, COOKIE, DEVICE, EMAIL, LINE_USER, MEMBER, PHONE_NUMBER, STORE_ID, STORE_NAME, Cast
from ops.demo.scenes import (
    CartIs,
    DecisionMade,
    InquiryShows,
    MessageSent,
    NothingSent,
    OrderIs,
    ProfileIs,
    Scene,
)
from ops.demo.timed import APP, CHAT, PHONE, STAFF, TILL, WEB, TimedEvent
from schemas.events import DecisionOutcome

_PICKUP, _THANKS, _CART = "pickup-ready", "thank-you-after-call", "abandoned-cart"


@dataclass(frozen=True, slots=True)
class Story:
    """The cast and what happens to it."""

    cast: Cast
    scenes: tuple[Scene, ...]

    @property
    def events(self) -> tuple[TimedEvent, ...]:
        """All events in order of time."""
        return tuple(event for scene in self.scenes for event in scene.events)


def story(week_ms: int, run: str = "") -> Story:
    """The week from ``week_ms`` on (see :func:`ops.demo.cast.latest_week_ms`); ``run`` as in :class:`Cast`."""
    cast = Cast(week_ms, run)
    return Story(cast, (*_monday_to_wednesday(cast), *_thursday_and_friday(cast), *_weekend(cast)))


def _monday_to_wednesday(cast: Cast) -> tuple[Scene, ...]:
    jacket, pickup = cast.jacket, {"order_id": cast.order_id, "store_id": STORE_ID}
    shop = {"store_id": STORE_ID, "store_name": STORE_NAME}
    sign_up, count = cast.at(0, "09:30"), cast.at(0, "10:00")
    browse, buy = cast.at(1, "12:20"), cast.at(1, "12:45")
    ready, collect = cast.at(2, "11:00"), cast.at(2, "18:30")
    everything = cast.ids(MEMBER, EMAIL, PHONE_NUMBER, CARD, LINE_USER, DEVICE)
    tells = {"name": "Sakura", "locale": "en", "time_zone": "Asia/Tokyo", "preferred_channel": "line"}
    allows = {"purpose": "marketing", "channels": [], "evidence": "signup-form-v3"}
    held = {**shop, "hold_until": cast.at(9, "20:00")}
    goods = {"lines": [jacket.line], "total_minor": jacket.price_minor, "currency": "JPY", "cart_id": cast.cart_id}
    return (
        cast.scene(
            "sign-up",
            sign_up,
            "Sakura signs up in the app. She likes LINE best and allows offers.",
            cast.event("ProfileUpdated", "profile", sign_up, APP, everything, **tells),
            cast.event("ConsentGiven", "consent", sign_up + 20_000, APP, cast.ids(MEMBER, DEVICE), **allows),
            expect=(ProfileIs("Sakura", "line"),),
        ),
        cast.scene(
            "stock",
            count,
            "The Shibuya store counts its rain goods: five rain jackets, three rain hats.",
            *(cast.counted(item, units, count) for item, units in cast.shelf()),
            expect=(cast.stock(jacket, 5, 0), cast.stock(cast.hat, 3, 0)),
        ),
        cast.scene(
            "browse",
            browse,
            "At lunch she looks at a rain jacket on the web and puts it into the cart.",
            cast.event("ProductViewed", "view", browse, WEB, cast.ids(MEMBER, COOKIE), **jacket.ref),
            cast.carted(jacket, "cart-jacket", browse + 60_000, WEB, cast.ids(MEMBER, COOKIE)),
            expect=(CartIs((jacket.sku,)),),
        ),
        cast.scene(
            "order",
            buy,
            "The same cart is in the app. She orders there, to collect in Shibuya: the shop keeps one jacket for "
            "her, so only four of five can be promised to others.",
            cast.event(
                "OrderPlaced",
                "order",
                buy,
                APP,
                cast.ids(MEMBER, DEVICE),
                order_id=cast.order_id,
                fulfilment="STORE_PICKUP",
                **goods,
                **shop,
            ),
            expect=(
                cast.stock(jacket, 5, 1),
                CartIs(()),
                OrderIs(cast.order_id, "PLACED"),
                DecisionMade(_CART, DecisionOutcome.EXITED, "EXIT_EVENT", browse),
            ),
        ),
        cast.scene(
            "ready",
            ready,
            "Staff in Shibuya mark the order ready. Her phone gets a LINE message.",
            cast.event("PickupReady", "ready", ready, STAFF, cast.ids(MEMBER), order_id=cast.order_id, **held),
            expect=(
                MessageSent(_PICKUP, "line", (cast.order_id, STORE_NAME), ready),
                OrderIs(cast.order_id, "READY"),
            ),
        ),
        cast.scene(
            "collect",
            collect,
            "After work she walks in, checks in with the app and collects it. The jacket leaves the shelf.",
            cast.event("StoreCheckedIn", "check-in", collect, APP, cast.ids(MEMBER, DEVICE), **shop),
            cast.event("PickupCollected", "collected", collect + 90_000, STAFF, cast.ids(MEMBER), **pickup),
            expect=(cast.stock(jacket, 4, 0), OrderIs(cast.order_id, "COLLECTED")),
        ),
    )


def _thursday_and_friday(cast: Cast) -> tuple[Scene, ...]:
    chat, call, ends = cast.at(3, "10:00"), cast.at(3, "14:00"), cast.at(3, "14:10")
    left, till, evening = cast.at(4, "17:30"), cast.at(4, "18:05"), cast.at(4, "19:00")
    visitor, caller = cast.ids(COOKIE), cast.ids(PHONE_NUMBER)
    asked = "I bought the rain jacket. Do you have a rain hat that goes with it?"
    answered = "Yes, there is one in the same colour. Would you like to talk to a colleague about sizes?"
    said = {"topic": "product"}
    talked = [cast.hat.ref, cast.umbrella.ref]
    ended = {"call_id": f"call-thu{cast.tail}", "duration_seconds": 600, "products": talked}
    receipt = {"receipt_id": f"R-1002{cast.tail}", "store_id": STORE_ID, "currency": "JPY"}
    bought = {"lines": [cast.hat.line], "total_minor": cast.hat.price_minor}
    return (
        cast.scene(
            "chat",
            chat,
            "In the morning she asks the chat about a rain hat. She is not logged in; her browser is known.",
            cast.event("InquiryOpened", "chat", chat, CHAT, visitor, **said, subject="Rain hat"),
            cast.event("InquiryMessageAdded", "asked", chat + 20_000, CHAT, visitor, **said, text=asked),
            cast.event(
                "InquiryMessageAdded", "answered", chat + 60_000, CHAT, visitor, **said, author="BOT", text=answered
            ),
            expect=(InquiryShows("product", "OPEN", ("chat",), (asked, answered)),),
        ),
        cast.scene(
            "call",
            call,
            "In the afternoon she calls. Before the agent picks up, the screen shows her order and the chat of the "
            "morning: she need not explain it twice.",
            cast.event("InquiryOpened", "call", call, PHONE, caller, **said, agent_id="agent-12"),
            expect=(
                InquiryShows("product", "OPEN", ("chat", "phone"), (asked, answered)),
                OrderIs(cast.order_id, "COLLECTED"),
            ),
        ),
        cast.scene(
            "thanks",
            ends,
            "The call ends. An SMS thanks her, with links to the hat and the umbrella they talked about.",
            cast.event("CallEnded", "call-end", ends, PHONE, caller, **ended, agent_id="agent-12"),
            cast.event("InquiryClosed", "solved", ends + 60_000, PHONE, caller, **said, solved=True),
            expect=(
                MessageSent(_THANKS, "sms", (cast.hat.url, cast.umbrella.url), ends),
                InquiryShows("product", "SOLVED", ("chat", "phone"), (asked, answered)),
            ),
        ),
        cast.scene(
            "left",
            left,
            "On Friday she puts the rain hat into the web cart and leaves. A reminder is due in an hour.",
            cast.carted(cast.hat, "cart-hat", left, WEB, visitor),
            expect=(CartIs((cast.hat.sku,)),),
        ),
        cast.scene(
            "till",
            till,
            "On her way home she buys the hat at the till in Shibuya and shows her card. The cart is empty now, "
            "the reminder is called off.",
            cast.event("SaleAtTill", "sale", till, TILL, cast.ids(CARD), **receipt, **bought),
            expect=(
                CartIs(()),
                cast.stock(cast.hat, 2, 0),
                DecisionMade(_CART, DecisionOutcome.EXITED, "EXIT_EVENT", till),
            ),
        ),
        cast.scene(
            "silence",
            evening,
            "The hour is over. Nothing is sent: she has it already, though she bought it elsewhere.",
            expect=(NothingSent(_CART, left),),
        ),
    )


def _weekend(cast: Cast) -> tuple[Scene, ...]:
    left, nudged = cast.at(5, "13:00"), cast.at(5, "14:05")
    night, morning = cast.at(5, "22:30"), cast.at(6, "09:00")
    ended = {"call_id": f"call-sat{cast.tail}", "duration_seconds": 420, "products": [cast.boots.ref]}
    return (
        cast.scene(
            "left-again",
            left,
            "On Saturday the umbrella goes into the cart in the app, and stays there.",
            cast.carted(cast.umbrella, "cart-umbrella", left, APP, cast.ids(MEMBER, DEVICE)),
            expect=(CartIs((cast.umbrella.sku,)),),
        ),
        cast.scene(
            "nudge",
            nudged,
            "This time the hour passes without a purchase in any channel: a friendly reminder on LINE.",
            expect=(MessageSent(_CART, "line", (cast.umbrella.name,), left),),
        ),
        cast.scene(
            "night-call",
            night,
            "She calls about rain boots late at night. The thank-you waits: nobody gets an SMS at half past ten.",
            cast.event("CallEnded", "night-call", night, PHONE, cast.ids(PHONE_NUMBER), **ended, agent_id="agent-07"),
            expect=(DecisionMade(_THANKS, DecisionOutcome.HELD, "QUIET_HOURS", night, until_ms=morning),),
        ),
        cast.scene(
            "morning",
            morning,
            "Sunday, nine o'clock. The night is over for her, and the thank-you goes out.",
            expect=(MessageSent(_THANKS, "sms", (cast.boots.url,), morning),),
        ),
    )
