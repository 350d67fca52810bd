"""What is to be published: the difference from one generation to the next.

A path is relative to the tree, with `/`, such as `public/countries/US.json` or `private/feeds/openai.json`; see
`names.py` for the words it may be made of.  What a whole tree holds, for those who make drafts and those who check:

    public/version.json             {"schema_version", "generation", …, "indexes": {"countries/index.json": SHA, …}}
    public/countries/index.json     {…, "countries": [{"code": "US", …, "sha256": SHA of its page}, …]}
    public/countries/US.json
    public/asns/index.json          {…, "asns": [{"asn": 13335, …, "sha256": SHA of its page}, …]}
    public/asns/13335.json
    private/manifest.json           {"files": {"feeds/openai.json": SHA, …}}: all private files but itself
    private/feeds/openai.json       and .coverage and .members

SHA is the lower-case hexadecimal sha256 of the file's bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Draft:
    """`base`: the generation that it was computed from, 0 when there is none; it becomes `base + 1`.

    `files`: what is new or different, by its path in the tree.  Bytes are written; a staged file, which must lie on the
    file system of the tree, is moved into it, so that a draft is good for one publication.  Files that are as they
    were do not belong here.
    `gone`: paths that are no longer there; one that is not there anyway is no error.
    `is_whole`: `files` is all that the tree holds; what the base has besides is gone.
    `is_repair`: no standing tree is trusted: this one is linked anew from the base, and the others after it.
    `summary`: counts for people, such as {"feeds": 2, "countries": 14}.
    """

    base: int
    files: Mapping[str, Path | bytes]
    gone: Collection[str] = ()
    summary: Mapping[str, int] = field(default_factory=dict)
    is_whole: bool = False
    is_repair: bool = False
