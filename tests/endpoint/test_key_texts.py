"""Keys that one query finds are a text for the next one, on either database."""

import sqlalchemy as sa

from endpoint.store.database import Database
from endpoint.store.host_tables import HOSTS
from endpoint.store.key_texts import among, read_keys
from endpoint.store.tables import HOST_TAGS

ODD = ("a,b", 'a"b', "a\\b", "{x}", "[1]", "NULL", "null", "é", " ", "")
KEYS = sa.select(HOST_TAGS.c.host_id).where(HOST_TAGS.c.tag == "web")


def tag(database: Database, *hosts: str) -> None:
    rows = [{"host_id": host, "tag": "web", "source": "endpoint"} for host in hosts]
    database.write(lambda connection: connection.execute(HOST_TAGS.insert(), rows))


def test_any_text_is_a_key_again(database: Database) -> None:
    tag(database, *ODD)

    with database.reading() as connection:
        (text,) = read_keys(connection, [KEYS], len(ODD))
        assert text is not None
        wanted = sa.select(HOST_TAGS.c.host_id).where(among(connection, HOST_TAGS.c.host_id, text))
        found = connection.execute(wanted).scalars().all()

    assert sorted(found) == sorted(ODD)


def test_more_keys_than_wanted_are_none(database: Database) -> None:
    tag(database, "a", "b", "c")

    with database.reading() as connection:
        few, many = read_keys(connection, [KEYS.where(HOST_TAGS.c.host_id < "c"), KEYS], 2)

    assert few is not None
    assert many is None


def test_no_key_finds_nothing(database: Database) -> None:
    with database.reading() as connection:
        (text,) = read_keys(connection, [sa.select(HOSTS.c.id)], 10)
        assert text is not None
        found = connection.execute(sa.select(HOSTS.c.id).where(among(connection, HOSTS.c.id, text))).all()

    assert found == []
