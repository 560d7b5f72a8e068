"""What the TPC-DS generator knows: customers, products, stock and purchases, read out of DuckDB as they are.

A row counts when its customer, date, time, quantity, price and payment are all known; the generator leaves some of them
empty on purpose, as real tills do. Prices are US cents. ``net_paid_inc_tax`` is what was paid for the goods after
coupons, with tax and without shipping.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

CURRENCY = "USD"
_INSTALL = "install Tsunagi with its demo extra: pip install 'tsunagi[demo]'"
_UNUSED = ("customer_demographics", "household_demographics", "catalog_page", "store_returns", "web_returns")


class Kind(StrEnum):
    """Where a purchase was made."""

    STORE = "store"
    WEB = "web"
    CATALOGUE = "catalogue"


@dataclass(frozen=True, slots=True)
class Product:
    """A row of ``item``; ``price_minor`` is its list price."""

    item_sk: int
    sku: str
    name: str
    url: str
    price_minor: int


@dataclass(frozen=True, slots=True)
class Line:
    """A sold quantity (units) of one product; ``paid_minor`` is for the whole line."""

    item_sk: int
    quantity: int
    unit_price_minor: int
    paid_minor: int


@dataclass(frozen=True, slots=True)
class Purchase:
    """An order or a receipt with its real lines; ``clock_ms`` is the local time of day."""

    kind: Kind
    number: int
    customer_sk: int
    sold_on: date
    clock_ms: int
    lines: tuple[Line, ...]

    @property
    def paid_minor(self) -> int:
        return sum(line.paid_minor for line in self.lines)


def generate(scale_factor: float) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with the TPC-DS tables at ``scale_factor`` (1 is about 1 GB of data; 0.02 takes under 1 s).

    Raises :class:`ConfigurationError` when the optional packages are missing or do not fit each other.
    """
    try:
        import duckdb  # noqa: PLC0415 (optional: only the demo needs it)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"the TPC-DS input needs the package duckdb; {_INSTALL}") from error
    extension = _extension(duckdb.__version__)
    # One thread and a limit: the broker, gateway and workers share the machine. Never fetch anything.
    config: dict[str, Any] = {
        "threads": 1,
        "memory_limit": "1GB",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(config=config)
    connection.load_extension(str(extension))
    connection.execute("CALL dsdgen(sf = $sf)", {"sf": scale_factor})
    for table in _UNUSED:
        connection.execute(f"DROP TABLE {table}")
    return connection


def _extension(version: str) -> Path:
    spec = importlib.util.find_spec("duckdb_extension_tpcds")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(f"the TPC-DS input needs the package duckdb-extension-tpcds; {_INSTALL}")
    path = Path(spec.submodule_search_locations[0]) / "extensions" / f"v{version}" / "tpcds.duckdb_extension"
    if not path.is_file():
        raise ConfigurationError(
            f"duckdb is {version} and duckdb-extension-tpcds is another version; install the same of both: {_INSTALL}"
        )
    return path


_LINES = """
SELECT 'store' AS kind, ss_ticket_number AS number, ss_customer_sk AS customer_sk, ss_sold_date_sk AS date_sk,
       ss_sold_time_sk AS time_sk, ss_item_sk AS item_sk, ss_quantity AS quantity,
       ss_sales_price AS price, ss_net_paid_inc_tax AS paid
FROM store_sales
UNION ALL
SELECT 'web', ws_order_number, ws_bill_customer_sk, ws_sold_date_sk, ws_sold_time_sk, ws_item_sk, ws_quantity,
       ws_sales_price, ws_net_paid_inc_tax
FROM web_sales
UNION ALL
SELECT 'catalogue', cs_order_number, cs_bill_customer_sk, cs_sold_date_sk, cs_sold_time_sk, cs_item_sk, cs_quantity,
       cs_sales_price, cs_net_paid_inc_tax
FROM catalog_sales
"""


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Creates the table ``demo_line``: the complete rows of the three sales tables, with date and time of day."""
    connection.execute(
        f"""
        CREATE TABLE demo_line AS
        SELECT kind, number, customer_sk, d_date AS sold_on, t_time * 1000 AS clock_ms, item_sk, quantity,
               CAST(price * 100 AS BIGINT) AS unit_price_minor, CAST(paid * 100 AS BIGINT) AS paid_minor
        FROM ({_LINES}) JOIN date_dim ON d_date_sk = date_sk JOIN time_dim ON t_time_sk = time_sk
        WHERE customer_sk IS NOT NULL AND quantity IS NOT NULL AND price IS NOT NULL AND paid IS NOT NULL
        """  # noqa: S608 (constants only)
    )


def three_channel_buyers(connection: duckdb.DuckDBPyConnection) -> dict[int, tuple[str, str]]:
    """Customers who bought in the store, on the web and from the catalogue: key -> (first name, last name)."""
    rows = connection.execute(
        """
        SELECT c_customer_sk, coalesce(c_first_name, 'Customer'), coalesce(c_last_name, 'Unnamed')
        FROM customer
        WHERE c_customer_sk IN (SELECT customer_sk FROM demo_line GROUP BY 1 HAVING count(DISTINCT kind) = 3)
        ORDER BY 1
        """
    ).fetchall()
    return {key: (first.strip(), last.strip()) for key, first, last in rows}


def purchases(connection: duckdb.DuckDBPyConnection, customers: Collection[int]) -> list[Purchase]:
    """Everything these customers bought, in the order of date, time, kind and number."""
    rows = connection.execute(
        """
        SELECT kind, number, customer_sk, sold_on, clock_ms, item_sk, quantity, unit_price_minor, paid_minor
        FROM demo_line WHERE customer_sk IN (SELECT unnest($customers))
        ORDER BY sold_on, clock_ms, kind, number, item_sk
        """,
        {"customers": sorted(customers)},
    ).fetchall()
    return [
        Purchase(Kind(head[0]), head[1], head[2], head[3], head[4], tuple(Line(*row[5:]) for row in group))
        for head, group in groupby(rows, key=lambda row: row[:5])
    ]


def products(connection: duckdb.DuckDBPyConnection) -> Mapping[int, Product]:
    """All products by key."""
    rows = connection.execute(
        """
        SELECT i_item_sk, coalesce(i_class, i_category, 'goods'), coalesce(i_color, 'plain'), i_size,
               CAST(coalesce(i_current_price, 0) * 100 AS BIGINT)
        FROM item ORDER BY 1
        """
    ).fetchall()
    return {
        key: Product(
            key,
            f"SKU-{key:06d}",
            _name(class_.strip(), colour.strip(), (size or "N/A").strip()),
            f"https://shop.example/p/sku-{key:06d}",
            price,
        )
        for key, class_, colour, size, price in rows
    }


def _name(class_: str, colour: str, size: str) -> str:
    return f"{class_.capitalize()} in {colour}" + ("" if size == "N/A" else f", {size}")


def last_stock(connection: duckdb.DuckDBPyConnection) -> Mapping[int, int]:
    """Units of each product in the last weekly inventory that counted it."""
    rows = connection.execute(
        """
        SELECT inv_item_sk, CAST(arg_max(inv_quantity_on_hand, inv_date_sk) AS BIGINT)
        FROM inventory WHERE inv_quantity_on_hand IS NOT NULL GROUP BY 1
        """
    ).fetchall()
    return dict(rows)


def store_table(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, tuple[str, list[Any]]]
) -> None:
    """Writes a derived table: column -> (SQL type, values). Names and types come from our own code."""
    connection.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, (kind, _) in columns.items())})")
    selected = ", ".join(f"unnest(${name})" for name in columns)
    values = {name: values for name, (_, values) in columns.items()}
    connection.execute(f"INSERT INTO {table} SELECT {selected}", values)
