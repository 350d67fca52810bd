"""What may be given to whom."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from windlass.core.access import Role, allows, may_give, reaches, within
from windlass.errors import InvalidArgument, PoolOutOfScope, RoleTooLow
from windlass.host.admission import Caller
from windlass.host.grants import Grant, new_token

ADMIN = Caller("root", 1, Role.ADMIN)
GRANT = Grant("ada", Role.VIEWER)
NOBODY: frozenset[str] = frozenset()


def test_each_role_may_do_what_those_before_it_may_and_an_agent_nothing_of_theirs() -> None:
    people = [Role.VIEWER, Role.SUBMITTER, Role.OPERATOR, Role.ADMIN]
    for n, role in enumerate(people):
        assert [allows(role, least) for least in people] == [m <= n for m in range(4)]
        assert not allows(role, Role.AGENT)
        assert not allows(Role.AGENT, role)


def test_nobody_gives_more_than_he_has_and_only_admins_make_agents() -> None:
    assert may_give(Role.ADMIN, Role.ADMIN)
    assert may_give(Role.ADMIN, Role.AGENT)
    assert may_give(Role.OPERATOR, Role.SUBMITTER)
    assert not may_give(Role.OPERATOR, Role.ADMIN)
    assert not may_give(Role.OPERATOR, Role.AGENT)
    assert not may_give(Role.AGENT, Role.VIEWER)


def test_a_scope_is_narrower_than_all_and_never_widened_by_being_empty() -> None:
    feeds, both = frozenset({"feeds"}), frozenset({"feeds", "mail"})
    assert within(feeds, both)
    assert within(feeds, NOBODY)
    assert within(NOBODY, NOBODY)
    assert not within(both, feeds)
    assert not within(NOBODY, feeds), "all pools are more than one"
    assert reaches(NOBODY, "anything")
    assert reaches(feeds, "feeds")
    assert not reaches(feeds, "mail")


def test_a_token_is_for_a_service_unless_it_says_otherwise() -> None:
    made = new_token(replace(GRANT, pools=("b", "a", "b")), ADMIN)
    assert (made.origin, made.created_by, made.pools, made.ttl) == (2, "root", ("a", "b"), None)


def test_more_than_the_givers_role_is_refused_with_the_role_that_is_needed() -> None:
    with pytest.raises(RoleTooLow) as raised:
        new_token(replace(GRANT, role=Role.ADMIN), replace(ADMIN, role=Role.OPERATOR))
    assert raised.value.facts == {"role": "admin"}


@pytest.mark.parametrize("pools", [(), ("mail",), ("feeds", "mail")])
def test_a_scoped_admin_gives_only_of_its_own_pools(pools: tuple[str, ...]) -> None:
    giver = replace(ADMIN, pools=frozenset({"feeds", "imports"}))
    with pytest.raises(PoolOutOfScope, match="feeds, imports"):
        new_token(replace(GRANT, pools=pools), giver)
    assert new_token(replace(GRANT, pools=("feeds",)), giver).pools == ("feeds",)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("subject", ""),
        ("subject", " "),
        ("subject", "x" * 101),
        ("subject", "a\nb"),
        ("subject", "a\0b"),
        ("role", 0),
        ("role", 6),
        ("origin", 3),
        ("pools", ("",)),
        ("pools", ("x" * 101,)),
        ("pools", tuple(map(str, range(101)))),
        ("ttl", 0.0),
        ("ttl", -1.0),
        ("ttl", 1e12),
        ("ttl", float("nan")),
    ],
)
def test_what_can_be_no_token_names_its_field(field: str, wrong: Any) -> None:
    with pytest.raises(InvalidArgument) as raised:
        new_token(replace(GRANT, **{field: wrong}), ADMIN)
    assert raised.value.field == field
