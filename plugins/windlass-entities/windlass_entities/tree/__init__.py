"""The published tree: what is read, written and kept whole."""

from windlass_entities.tree.draft import Draft as Draft
from windlass_entities.tree.publishing import Published as Published
from windlass_entities.tree.publishing import Publisher as Publisher
from windlass_entities.tree.reading import Tree as Tree
from windlass_entities.tree.reading import base_of as base_of
from windlass_entities.tree.reading import open_tree as open_tree
from windlass_entities.tree.trouble import MovedOn as MovedOn
from windlass_entities.tree.trouble import NoTree as NoTree
from windlass_entities.tree.trouble import Superseded as Superseded
from windlass_entities.tree.trouble import TreeTrouble as TreeTrouble
