"""The documents of a harness: in memory, and kept from task to task."""

from __future__ import annotations

from windlass.documents import Documents
from windlass.host.documents import Archive, Speaker
from windlass.store.facts import Parent

SHELF = "the plugin"


class OneShelf(Archive):
    """The subjects of a harness are one plugin, whatever brings each of them."""

    def of_attempt(self, plugin: str, attempt: Parent, speaker: Speaker) -> Documents:
        return super().of_attempt(SHELF, attempt, speaker)

    def of_caller(self, plugin: str, by: str) -> Documents:
        return super().of_caller(SHELF, by)
