"""A token or session ends with all that it comes from, whatever was made with what."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from migrated_database import open_migrated
from test_people import Place

from nixos_workspaces.auth.people.rules import WantedToken
from nixos_workspaces.auth.tokens import TokenKind

MADE = st.lists(st.tuples(st.sampled_from(TokenKind), st.integers(0, 99)), min_size=1, max_size=12)
"""The kind of credential that is made, and the one of those there are that makes it."""
numbers = count()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("chains"))


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MADE, st.sampled_from(TokenKind), st.integers(0, 99))
def test_revoking_any_link_ends_all_below_and_nothing_else(
    directory: Path, made: list[tuple[TokenKind, int]], root: TokenKind, revoked: int
) -> None:
    asyncio.run(play(directory, made, root, revoked))


async def play(directory: Path, made: list[tuple[TokenKind, int]], root: TokenKind, revoked: int) -> None:
    database = await open_migrated(directory / "people.db")
    try:
        place = Place(database)
        ann = await place.person(f"ann-{next(numbers)}")
        secret, first = await place.tokens.create("root", principal=ann, kind=root)
        secrets, ids, kinds = [secret], [first.id], [root]
        ends_with: list[set[int]] = [{0}]
        for kind, one in made:
            source = one % len(secrets)
            if kind is TokenKind.SESSION:
                secret, token = await place.tokens.open_session(secrets[source])
                ends_with.append({*ends_with[source], len(secrets)})
            else:
                principal = await place.tokens.authenticate(secrets[source])
                secret, token = await place.own.make(WantedToken("x"), principal=principal, credential=secrets[source])
                above = [link for link in ends_with[source] if kinds[link] is TokenKind.API]
                ends_with.append({*(ends_with[max(above)] if above else ()), len(secrets)})
            assert token.chain[-1] == ids[source]
            assert (await place.tokens.authenticate(secret)).actor == (*token.chain, token.id)
            secrets.append(secret)
            ids.append(token.id)
            kinds.append(kind)
        link = revoked % len(secrets)
        await place.tokens.revoke(ids[link], principal=ann)
        ended = {secrets[one] for one, links in enumerate(ends_with) if link in links}
        assert await place.tokens.invalid(secrets) == ended
    finally:
        await database.close()
