"""What others hand us: address lists, the catalogue that describes them, and the tables of countries and ASNs."""

from windlass_entities.inputs.catalogue import Catalogue, CatalogueProblem, FeedEntry, read_catalogue
from windlass_entities.inputs.lines import BadLine
from windlass_entities.inputs.lists import ReadList, read_list

__all__ = [
    "BadLine",
    "Catalogue",
    "CatalogueProblem",
    "FeedEntry",
    "ReadList",
    "read_catalogue",
    "read_list",
]
