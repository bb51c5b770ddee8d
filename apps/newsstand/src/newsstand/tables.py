"""The tables of a newsstand. Names and columns are fixed: older databases open unchanged."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

__all__ = [
    "admin",
    "billing",
    "content",
    "customer",
    "inbox",
    "login",
    "messenger",
    "metadata",
    "publication",
    "sales",
    "subscription",
    "vendor",
]

metadata = MetaData()

NAME = String(45)
TITLE = String(100)
# Stored as double precision, as it always was; computed as decimal, never as float.
MONEY: Double[float] = Double(asdecimal=False)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True)


def _to(table: str) -> Column[int]:
    return Column(f"{table}_id", Integer, ForeignKey(f"{table}.id"), index=True)


login = Table(
    "login",
    metadata,
    _id(),
    Column("username", NAME, unique=True, nullable=False),
    Column("password", NAME, nullable=False),
    Column("user_type", Integer, nullable=False),
)

admin = Table(
    "admin",
    metadata,
    _id(),
    Column("firstname", NAME),
    Column("lastname", NAME),
    Column("age", Integer),
    Column("date_started", Date),
    Column("status", Integer),
    _to("login"),
    Column("birthday", Date),
)

vendor = Table(
    "vendor",
    metadata,
    _id(),
    Column("rep_firstname", NAME),
    Column("rep_lastname", NAME),
    Column("rep_id", NAME),
    Column("rep_date_employed", Date),
    Column("account_name", NAME),
    Column("account_number", NAME),
    Column("date_consigned", Date),
    _to("login"),
)

customer = Table(
    "customer",
    metadata,
    _id(),
    Column("firstname", NAME),
    Column("lastname", NAME),
    Column("age", Integer),
    Column("birthday", Date),
    Column("date_subscribed", Date),
    Column("status", Integer),
    Column("subscription_type", Integer),
    _to("login"),
)

messenger = Table(
    "messenger",
    metadata,
    _id(),
    Column("firstname", NAME),
    Column("lastname", NAME),
    Column("salary", MONEY),
    Column("date_employed", Date),
    Column("status", Integer),
    _to("vendor"),
)

publication = Table(
    "publication",
    metadata,
    _id(),
    Column("name", TITLE),
    Column("type", NAME),
    _to("vendor"),
    _to("messenger"),
)

content = Table(
    "content",
    metadata,
    _id(),
    _to("publication"),
    Column("headline", TITLE),
    Column("content", Text),
    Column("content_type", String(20)),
    Column("date_published", Date),
)

sales = Table(
    "sales",
    metadata,
    _id(),
    _to("publication"),
    Column("copies_issued", Integer),
    Column("copies_sold", Integer),
    Column("date_issued", Date),
    Column("revenue", MONEY),
    Column("profit", MONEY),
)

subscription = Table(
    "subscription",
    metadata,
    _id(),
    _to("customer"),
    Column("branch", TITLE),
    Column("price", MONEY),
    Column("qty", Integer),
    Column("date_purchased", Date),
)

billing = Table(
    "billing",
    metadata,
    _id(),
    Column("payable", MONEY),
    Column("approved_by", NAME),
    Column("date_approved", Date),
    Column("date_billed", Date),
    Column("received_by", NAME),
    Column("date_received", Date),
    Column("total_issues", Integer),
    _to("vendor"),
    _to("admin"),
)

# Ours: which message a group has handled, recorded in the same transaction as its effect.
inbox = Table(
    "inbox",
    metadata,
    Column("topic", TITLE, primary_key=True),
    Column("group", TITLE, primary_key=True),
    Column("message_id", String(255), primary_key=True),
    Column("row_id", Integer),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
)
