"""Sending at a steady rate, and showing it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from newsstand.demo.site import site_running
from newsstand.demo.tally import Tally, draw
from newsstand.messengers.models import HiredMessenger
from newsstand.seed.invention import invent_messengers

__all__ = ["DemoPlan", "run_demo"]

REQUEST_TIMEOUT_S = 10.0
_WORKED, _NOTHING_SENT = 0, 1


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What is sent where, for how long."""

    site: str
    prefix: str
    seconds: float
    rate: float
    """Messengers per second; fewer where the site is slower."""
    seed: int


async def run_demo(plan: DemoPlan) -> int:
    """Send and show; the exit status, 1 when nothing could be sent."""
    console, tally = Console(), Tally()
    async with (
        httpx2.AsyncClient(base_url=plan.site, timeout=REQUEST_TIMEOUT_S) as client,
        site_running(client, plan.site, prefix=plan.prefix) as is_own,
    ):
        who = "started a newsstand" if is_own else "found a newsstand"
        console.print(f"{who}: open {plan.site} to see them arrive")
        await _send_and_show(plan, client, tally, console)
    console.print(tally.summary())
    return _WORKED if tally.sent else _NOTHING_SENT


async def _send_and_show(
    plan: DemoPlan, client: httpx2.AsyncClient, tally: Tally, console: Console
) -> None:
    vendors = await _vendor_names(plan, client)
    progress = Progress(TextColumn("sending"), BarColumn(None), TimeRemainingColumn())
    bar = progress.add_task("sending", total=plan.seconds)
    with Live(draw(tally, progress), console=console, refresh_per_second=8) as live:
        async for elapsed_s, hired in _paced(plan):
            answer = await _send(plan, client, hired)
            vendor = vendors.get(hired.vendor_id, str(hired.vendor_id))
            tally.note(f"{hired.firstname} {hired.lastname}", vendor, answer)
            progress.update(bar, completed=elapsed_s)
            live.update(draw(tally, progress))
        progress.update(bar, completed=plan.seconds)


async def _paced(plan: DemoPlan) -> AsyncIterator[tuple[float, HiredMessenger]]:
    """Seconds since the start, and who is next, at the plan's rate until its time is over."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    for number, hired in enumerate(invent_messengers(plan.seed)):
        due_s = number / plan.rate
        if due_s >= plan.seconds or loop.time() - started >= plan.seconds:
            return
        await asyncio.sleep(max(0.0, started + due_s - loop.time()))
        yield loop.time() - started, hired


async def _send(plan: DemoPlan, client: httpx2.AsyncClient, hired: HiredMessenger) -> str:
    body = hired.model_dump(mode="json", exclude_none=True)
    try:
        response = await client.post(f"{plan.prefix}/messenger/send", json=body)
    except httpx2.HTTPError as error:
        return type(error).__name__
    return str(response.status_code)


async def _vendor_names(plan: DemoPlan, client: httpx2.AsyncClient) -> dict[int, str]:
    response = await client.get(f"{plan.prefix}/vendor/list")
    if response.is_error:
        return {}
    return {row["id"]: row["account_name"] for row in response.json()}
