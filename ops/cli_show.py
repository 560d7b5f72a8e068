"""``tsunagi customer|inventory|inquiry show``: what the tables say, through the gateway's read views."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from ops.http_client import DEFAULT_URL, KeyOption, UrlOption, call

customer = typer.Typer(name="customer", help="One person.", no_args_is_help=True)
inventory = typer.Typer(name="inventory", help="One SKU in all locations.", no_args_is_help=True)
inquiry = typer.Typer(name="inquiry", help="One thread over all channels.", no_args_is_help=True)
groups = (customer, inventory, inquiry)


@customer.command("show")
def show_customer(
    key: KeyOption,
    customer_id: Annotated[str | None, typer.Option("--id", help="Customer id.")] = None,
    identifier: Annotated[
        str | None, typer.Option("--identifier", help="TYPE=VALUE, such as phone=+819012345678.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Profile, cart, orders, threads and open journeys of one person."""
    base = url.rstrip("/")
    if (customer_id is None) == (identifier is None):
        raise typer.BadParameter("give --id or --identifier")
    if identifier is not None:
        kind, separator, value = identifier.partition("=")
        if not separator:
            raise typer.BadParameter(f"{identifier!r} is not TYPE=VALUE", param_hint="--identifier")
        customer_id = call("POST", f"{base}/v1/customers/lookup", key, {"type": kind, "value": value})["customer_id"]
    _print(call("GET", f"{base}/v1/customers/{quote(str(customer_id), safe='')}", key))


@inventory.command("show")
def show_inventory(sku: str, key: KeyOption, url: UrlOption = DEFAULT_URL) -> None:
    """On hand, reserved and available to promise of one SKU."""
    _print(call("GET", f"{url.rstrip('/')}/v1/inventory/{quote(sku, safe='')}", key))


@inquiry.command("show")
def show_inquiry(inquiry_id: str, key: KeyOption, url: UrlOption = DEFAULT_URL) -> None:
    """One inquiry with what was said in it."""
    _print(call("GET", f"{url.rstrip('/')}/v1/inquiries/{quote(inquiry_id, safe='')}", key))


def _print(document: Any) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
