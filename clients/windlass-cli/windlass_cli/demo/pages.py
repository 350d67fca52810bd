"""The demo's second half: pages of countries, made of a small sample of real lists that the server brings along."""

from __future__ import annotations

from windlass_client import Client, FailedPrecondition, TaskCanceled, TaskFailed

from windlass_cli.commands.show import print_card
from windlass_cli.entity_pages import print_page
from windlass_cli.options import Format

COUNTRY = "US"
REBUILT_WITHIN_S = 60.0
FOLDER = "entities"
ATTRIBUTION = (
    "ASN data of the sample: RouteViews (routeviews.org) and DB-IP (db-ip.com), CC BY 4.0; see LICENCES.md there."
)


async def show_pages(client: Client) -> str:
    """Has the pages rebuilt and shows one.  What went wrong; empty when nothing did."""
    try:
        made = await client.operations.call("entities.rebuild", {}, reason="the demo")
        await client.result(made["task"], REBUILT_WITHIN_S)
    except FailedPrecondition as error:
        print(f"\nPages of countries are left out: {error}", flush=True)
        return ""
    except (TaskFailed, TaskCanceled, TimeoutError) as error:
        return f"The pages of countries could not be rebuilt: {error}"
    print("\nPages of countries and ASNs were made of a small sample of real lists. The task that published them:\n")
    await print_card(client, await _publisher(client) or made["task"], Format.table)
    print(f"\nOne of them (windlass entities show {COUNTRY}):\n", flush=True)
    print_page(await client.operations.call("entities.show", {"country": COUNTRY}), Format.table)
    print(f"\n{ATTRIBUTION}", flush=True)
    return ""


async def _publisher(client: Client) -> int | None:
    """Pages that are right already are not published again."""
    picture = await client.overview.get()
    published = [section.data["published"] for section in picture.sections if section.name == "entities"]
    return published[0]["task"] if published and published[0] else None
