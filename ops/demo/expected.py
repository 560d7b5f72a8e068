"""What the tables must say after a run, asked of the source data in SQL.

The queries read the generator's own sales and inventory tables and share no code with the pipeline, nor with the
reading of purchases that the events were made of. From the derivation they take only what it decided: who was chosen
(``demo_customer``), which orders were cancelled, which receipts had no card, which shelves were counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ops.demo.tpcds import Dataset


class Totals(NamedTuple):
    """Orders and till sales of one customer, and what was paid for them: ISO currency -> minor units."""

    orders: int
    spent_minor: dict[str, int]


_TOTALS = """
WITH till AS (
    SELECT ss_customer_sk AS customer_sk, ss_ticket_number AS number, sum(ss_net_paid_inc_tax) AS paid
    FROM store_sales
    SEMI JOIN date_dim ON ss_sold_date_sk = d_date_sk
    SEMI JOIN time_dim ON ss_sold_time_sk = t_time_sk
    WHERE ss_quantity IS NOT NULL AND ss_sales_price IS NOT NULL AND ss_net_paid_inc_tax IS NOT NULL
      AND ss_ticket_number NOT IN (SELECT number FROM demo_anonymous)
    GROUP BY ALL
), web AS (
    SELECT ws_bill_customer_sk AS customer_sk, ws_order_number AS number, sum(ws_net_paid_inc_tax) AS paid
    FROM web_sales
    SEMI JOIN date_dim ON ws_sold_date_sk = d_date_sk
    SEMI JOIN time_dim ON ws_sold_time_sk = t_time_sk
    WHERE ws_quantity IS NOT NULL AND ws_sales_price IS NOT NULL AND ws_net_paid_inc_tax IS NOT NULL
      AND ws_order_number NOT IN (SELECT number FROM demo_cancelled WHERE kind = 'web')
    GROUP BY ALL
), catalogue AS (
    SELECT cs_bill_customer_sk AS customer_sk, cs_order_number AS number, sum(cs_net_paid_inc_tax) AS paid
    FROM catalog_sales
    SEMI JOIN date_dim ON cs_sold_date_sk = d_date_sk
    SEMI JOIN time_dim ON cs_sold_time_sk = t_time_sk
    WHERE cs_quantity IS NOT NULL AND cs_sales_price IS NOT NULL AND cs_net_paid_inc_tax IS NOT NULL
      AND cs_order_number NOT IN (SELECT number FROM demo_cancelled WHERE kind = 'catalogue')
    GROUP BY ALL
)
SELECT member_id, count(number), CAST(coalesce(sum(paid), 0) * 100 AS BIGINT)
FROM demo_customer
LEFT JOIN (FROM till UNION ALL FROM web UNION ALL FROM catalogue) USING (customer_sk)
GROUP BY member_id
"""

_ON_HAND = """
SELECT sku, location_id, CAST(coalesce(arg_max(inv_quantity_on_hand, inv_date_sk), 0) AS BIGINT)
FROM demo_counted LEFT JOIN inventory ON inv_item_sk = item_sk AND inv_quantity_on_hand IS NOT NULL
GROUP BY ALL
"""


def expected_totals(dataset: Dataset) -> dict[str, Totals]:
    """Member id -> orders and spend once the whole input is processed; without cancelled orders and anonymous sales.

    Every chosen customer is there; the generator's prices are US dollars, so the currency is USD, and a customer with
    no order left has no currency at all.
    """
    rows = dataset.connection.execute(_TOTALS).fetchall()
    return {member: Totals(orders, {"USD": paid} if orders else {}) for member, orders, paid in rows}


def expected_on_hand(dataset: Dataset) -> dict[tuple[str, str], int]:
    """(SKU, store) -> units on hand once the whole input is processed: what the generator's last inventory counted."""
    rows = dataset.connection.execute(_ON_HAND).fetchall()
    return {(sku, location): units for sku, location, units in rows}
