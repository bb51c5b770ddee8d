"""The tables of jobs and ticks."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

__all__ = ["Tables", "make_tables"]


@dataclass(frozen=True, slots=True)
class Tables:
    """Both, and what makes them."""

    metadata: MetaData
    jobs: Table
    ticks: Table


def make_tables(prefix: str) -> Tables:
    """The tables' descriptions; nothing is made on a database."""
    metadata = MetaData()
    jobs = Table(
        f"{prefix}jobs",
        metadata,
        Column("id", String, primary_key=True),
        Column("state", String, nullable=False),
        Column("version", Integer, nullable=False),
        Column("result", LargeBinary),
        Column("error", LargeBinary),
        Column("progress", LargeBinary),
        Column("expires_at", Float),
    )
    Index(f"{prefix}jobs_expiry", jobs.c.expires_at)
    ticks = Table(
        f"{prefix}schedule_ticks",
        metadata,
        Column("schedule", String, primary_key=True),
        Column("tick", String, primary_key=True),
        Column("expires_at", Float, nullable=False),
    )
    return Tables(metadata, jobs, ticks)
