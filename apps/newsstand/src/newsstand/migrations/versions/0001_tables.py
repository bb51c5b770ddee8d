"""Make the tables of a newsstand; those that an older program made are left as they are."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.String(45)
TITLE = sa.String(100)


def _make(name: str, *columns: Any) -> None:
    op.create_table(
        name, sa.Column("id", sa.Integer(), primary_key=True), *columns, if_not_exists=True
    )


def _to(table: str) -> sa.Column[int]:
    return sa.Column(f"{table}_id", sa.Integer(), sa.ForeignKey(f"{table}.id"))


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column], if_not_exists=True)


def upgrade() -> None:
    _make(
        "login",
        sa.Column("username", NAME, nullable=False, unique=True),
        sa.Column("password", NAME, nullable=False),
        sa.Column("user_type", sa.Integer(), nullable=False),
    )
    _make(
        "admin",
        sa.Column("firstname", NAME),
        sa.Column("lastname", NAME),
        sa.Column("age", sa.Integer()),
        sa.Column("date_started", sa.Date()),
        sa.Column("status", sa.Integer()),
        _to("login"),
        sa.Column("birthday", sa.Date()),
    )
    _make(
        "vendor",
        sa.Column("rep_firstname", NAME),
        sa.Column("rep_lastname", NAME),
        sa.Column("rep_id", NAME),
        sa.Column("rep_date_employed", sa.Date()),
        sa.Column("account_name", NAME),
        sa.Column("account_number", NAME),
        sa.Column("date_consigned", sa.Date()),
        _to("login"),
    )
    _make(
        "customer",
        sa.Column("firstname", NAME),
        sa.Column("lastname", NAME),
        sa.Column("age", sa.Integer()),
        sa.Column("birthday", sa.Date()),
        sa.Column("date_subscribed", sa.Date()),
        sa.Column("status", sa.Integer()),
        sa.Column("subscription_type", sa.Integer()),
        _to("login"),
    )
    _make(
        "messenger",
        sa.Column("firstname", NAME),
        sa.Column("lastname", NAME),
        sa.Column("salary", sa.Double()),
        sa.Column("date_employed", sa.Date()),
        sa.Column("status", sa.Integer()),
        _to("vendor"),
    )
    _make(
        "publication",
        sa.Column("name", TITLE),
        sa.Column("type", NAME),
        _to("vendor"),
        _to("messenger"),
    )
    _make(
        "content",
        _to("publication"),
        sa.Column("headline", TITLE),
        sa.Column("content", sa.Text()),
        sa.Column("content_type", sa.String(20)),
        sa.Column("date_published", sa.Date()),
    )
    _make(
        "sales",
        _to("publication"),
        sa.Column("copies_issued", sa.Integer()),
        sa.Column("copies_sold", sa.Integer()),
        sa.Column("date_issued", sa.Date()),
        sa.Column("revenue", sa.Double()),
        sa.Column("profit", sa.Double()),
    )
    _make(
        "subscription",
        _to("customer"),
        sa.Column("branch", TITLE),
        sa.Column("price", sa.Double()),
        sa.Column("qty", sa.Integer()),
        sa.Column("date_purchased", sa.Date()),
    )
    _make(
        "billing",
        sa.Column("payable", sa.Double()),
        sa.Column("approved_by", NAME),
        sa.Column("date_approved", sa.Date()),
        sa.Column("date_billed", sa.Date()),
        sa.Column("received_by", NAME),
        sa.Column("date_received", sa.Date()),
        sa.Column("total_issues", sa.Integer()),
        _to("vendor"),
        _to("admin"),
    )
    op.create_table(
        "inbox",
        sa.Column("topic", TITLE, primary_key=True),
        sa.Column("group", TITLE, primary_key=True),
        sa.Column("message_id", sa.String(255), primary_key=True),
        sa.Column("row_id", sa.Integer()),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        if_not_exists=True,
    )
    _index("admin", "login_id")
    _index("vendor", "login_id")
    _index("customer", "login_id")
    _index("messenger", "vendor_id")
    _index("publication", "vendor_id", "messenger_id")
    _index("content", "publication_id")
    _index("sales", "publication_id")
    _index("subscription", "customer_id")
    _index("billing", "vendor_id", "admin_id")


def downgrade() -> None:
    """Take away what is ours alone; the tables that older programs share stay."""
    op.drop_table("inbox")
