"""Retention: old data is deleted without creating gaps, and without storing anything twice."""

import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from endpoint.config.model import Config, Fleet, Retention
from endpoint.core.deduplicate import Deduplicated
from endpoint.core.fleet import Stream
from endpoint.core.gaps import total
from endpoint.core.messages import Batch, read_message
from endpoint.http.retention_thread import RetentionThread
from endpoint.store.database import Database
from endpoint.store.ingest import Ingest
from endpoint.store.queries import FleetQueries
from endpoint.store.retention import RetentionStore, RetentionTurn
from endpoint.store.tables import EVENTS, LOSSES, REFUSALS, STATES, UPKEEP
from tests.endpoint.conftest import MakeServer
from tests.endpoint.test_messages import gaps, host_row
from tests.report.installation import until
from tests.support.messages import MOMENT, Outbox, Raw
from tests.support.stored_events import stored_events

NOW = datetime(2026, 11, 23, 8, 10, tzinfo=timezone.utc)
DAY = timedelta(days=1)
KEPT = timedelta(days=400)
HOUR_S = 3600.0


def put(database: Database, box: Outbox, when: datetime, *messages: Raw, fault: str | None = None) -> Deduplicated:
    batch = Batch(
        host_id=box.host,
        instance_id=box.instance,
        agent_version="0.1.0",
        messages=tuple(read_message(raw, fault) for raw in messages),
        sent_at=MOMENT,
    )
    return Ingest(database).put(batch, when)


def statuses(sifted: Deduplicated) -> list[str]:
    return [result.status.value for result in sifted.results]


def prune(database: Database, now: datetime = NOW) -> int:
    return sum(RetentionStore(database).events(now, KEPT))


def sequences(database: Database, box: Outbox) -> list[int]:
    return [sequence for sequence, _ in stored_events(database, box)]


def stream(database: Database, box: Outbox) -> Stream:
    return next(found for found in FleetQueries(database).streams(NOW) if found.instance_id == box.instance)


def test_deleted_events_are_duplicates_when_sent_again(database: Database) -> None:
    box = Outbox()
    old, young = [box.event() for _ in range(3)], [box.event() for _ in range(2)]
    put(database, box, NOW - KEPT - DAY, *old)
    put(database, box, NOW - KEPT + DAY, *young)

    gone = prune(database)
    again = put(database, box, NOW, *old, *young, box.event())

    assert gone == 3
    assert statuses(again) == ["duplicate"] * 5 + ["accepted"]
    assert sequences(database, box) == [4, 5, 6]
    assert stream(database, box).events == 3
    assert not any(total(part) for part in (stream(database, box).gaps.missing, stream(database, box).gaps.lost))
    assert prune(database) == 0


def test_gaps_are_counted_after_the_deleted_events(database: Database) -> None:
    box = Outbox()
    put(database, box, NOW - KEPT - DAY, box.event(), box.event(sequence=4))
    put(database, box, NOW, box.event(sequence=7), box.event(sequence=8))
    before = str(stream(database, box).gaps.missing[0])

    prune(database)

    assert before == "2-3"
    assert [str(span) for span in stream(database, box).gaps.missing] == ["5-6"]
    put(database, box, NOW, box.event(sequence=5), box.event(sequence=6))
    assert stream(database, box).gaps.missing == ()


def test_a_state_reveals_gaps_after_all_events_were_deleted(database: Database) -> None:
    box = Outbox()
    put(database, box, NOW - KEPT - DAY, box.event(), box.event())
    outbox = {"depth": 0, "bytes": 0, "oldest_at": None, "dropped": 0, "refused": 0, "last_sequence": 2}
    put(database, box, NOW, box.state(outbox=outbox))

    prune(database)
    complete = stream(database, box).gaps.missing
    put(database, box, NOW, box.state("a" * 16, outbox={**outbox, "last_sequence": 5}))

    assert complete == ()
    assert [str(span) for span in stream(database, box).gaps.missing] == ["3-5"]


def test_an_old_event_after_a_newer_one_is_kept(database: Database) -> None:
    box = Outbox()
    first, second = box.event(), box.event()
    put(database, box, NOW - KEPT - DAY, second)
    put(database, box, NOW - DAY, first)

    assert prune(database) == 0
    assert prune(database, NOW + KEPT) == 2
    assert sequences(database, box) == []


def test_events_are_deleted_in_small_steps(database: Database) -> None:
    boxes = [Outbox() for _ in range(3)]
    for box in boxes:
        put(database, box, NOW - KEPT - DAY, *(box.event() for _ in range(250)))
    young = [Outbox() for _ in range(120)]
    for box in young:
        put(database, box, NOW, box.event())

    steps = list(RetentionStore(database).events(NOW, KEPT))

    assert steps == [100, 100, 50] * 3
    assert [sequences(database, box) for box in boxes] == [[]] * 3
    assert all(sequences(database, box) == [1] for box in young)


def test_losses_and_rejections_are_deleted_with_their_gaps(database: Database) -> None:
    box = Outbox()
    spans = [{"count": 1, "first_sequence": first, "last_sequence": first, "reason": "too-old"} for first in (2, 9)]
    put(
        database,
        box,
        NOW - KEPT - DAY,
        box.event(),
        *(box.event("messages-lost", span, sequence=4) for span in spans[:1]),
    )
    put(database, box, NOW - KEPT - DAY, box.event(sequence=3), fault="/: bad")
    put(database, box, NOW - KEPT - DAY, box.event("messages-lost", spans[1], sequence=5))
    put(database, box, NOW - KEPT - DAY, box.event(sequence=8), fault="/: bad")
    put(database, box, NOW, box.event(sequence=10))

    prune(database)

    found = stream(database, box).gaps
    assert [list(map(str, part)) for part in (found.missing, found.lost, found.refused)] == [["6-7"], ["9"], ["8"]]
    with database.reading() as connection:
        counts = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() for table in (LOSSES, REFUSALS)
        ]
    assert counts == [1, 1]


def test_a_silent_stream_is_hidden_and_recognized_when_it_returns(database: Database) -> None:
    box, other = Outbox(), Outbox()
    event = box.event()
    put(database, box, NOW - KEPT - DAY, event, box.state())
    put(database, other, NOW, other.state())
    views = FleetQueries(database)

    shown = [found.host_id for found in views.streams(NOW, KEPT)]
    gone = sum(RetentionStore(database).states(NOW, KEPT)), sum(RetentionStore(database).states(NOW, KEPT))
    with database.reading() as connection:
        states = connection.execute(sa.select(sa.func.count()).select_from(STATES)).scalar()
    beat = put(database, box, NOW, box.heartbeat())
    back = put(database, box, NOW, event, box.state())

    assert shown == [other.host]
    assert gone == (1, 0)
    assert states == 1
    assert beat.resend_state
    assert statuses(back) == ["duplicate", "accepted"]
    assert len(views.streams(NOW, KEPT)) == 2
    assert stream(database, box).state is not None


def test_one_process_deletes_once_an_hour(database: Database) -> None:
    pruning = RetentionStore(database)
    hour = timedelta(seconds=HOUR_S)

    turns = [pruning.turn(NOW + hour * part) for part in (0, 0.5, 1, 1, 1.5, 2.5, 2.5)]

    late = RetentionTurn.LATER
    assert turns == [late, late, RetentionTurn.NOW, late, late, RetentionTurn.NOW, late]


def test_a_clock_jump_deletes_nothing_for_a_day(database: Database) -> None:
    pruning = RetentionStore(database)
    pruning.turn(NOW)
    ahead = NOW + 3000 * DAY

    leapt = [pruning.turn(ahead), pruning.turn(ahead + DAY / 2)]
    set_right = [pruning.turn(NOW + DAY / 2), pruning.turn(NOW + DAY / 2), pruning.turn(NOW + DAY)]
    leapt_for_good = [pruning.turn(ahead), pruning.turn(ahead + DAY)]

    assert leapt == [RetentionTurn.PUT_OFF, RetentionTurn.LATER]
    assert set_right == [RetentionTurn.LATER, RetentionTurn.LATER, RetentionTurn.NOW]
    assert leapt_for_good == [RetentionTurn.PUT_OFF, RetentionTurn.NOW]


def test_an_unexpected_error_does_not_end_the_thread(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetentionStore, "turn", lambda *_: 1 / 0)

    with capture_logs() as logged:
        RetentionThread(Config(), database).try_delete(NOW)

    assert [(entry["event"], type(entry["exc_info"])) for entry in logged] == [("upkeep.broken", ZeroDivisionError)]


def test_forever_deletes_nothing(database: Database) -> None:
    box = Outbox()
    put(database, box, NOW - 10 * KEPT, box.event(), box.state())
    config = Config(store=Retention(keep_events="forever"), fleet=Fleet(forget_after="forever"))
    RetentionStore(database).turn(NOW)

    RetentionThread(config, database).delete_if_due(NOW + DAY)
    kept = sequences(database, box), stream(database, box).state
    RetentionThread(Config(), database).delete_if_due(NOW + 2 * DAY)

    assert kept[0] == [1]
    assert kept[1] is not None
    assert (sequences(database, box), stream(database, box).state) == ([], None)


def test_messages_during_a_deletion_are_stored_once(database: Database) -> None:
    box = Outbox()
    old = [box.event() for _ in range(300)]
    put(database, box, NOW - KEPT - DAY, *old)
    new = [box.event() for _ in range(40)]
    wrong: list[str] = []

    def send() -> None:
        for number, message in enumerate(new):
            wrong.extend({*statuses(put(database, box, NOW, message, old[number * 7]))} - {"accepted", "duplicate"})

    sender = threading.Thread(target=send)
    sender.start()
    gone = 0
    while sender.is_alive():
        gone += prune(database)
    sender.join()
    gone += prune(database)

    assert gone == 300
    assert wrong == []
    assert sequences(database, box) == list(range(301, 341))
    assert stream(database, box).events == 40


def due_at(database: Database) -> float | None:
    with database.reading() as connection:
        found: float | None = connection.execute(sa.select(UPKEEP.c.due_at)).scalar()
    return found


def test_the_server_deletes_old_events_while_it_serves(make_server: MakeServer) -> None:
    server = make_server(server={"workers": 2}, store={"keep_events": "30d"})
    server.start()
    agent = server.client(server.token())
    box = Outbox()
    events = [box.event() for _ in range(5)]
    assert agent.post(box.batch(*events)).statuses == ["accepted"] * 5
    database = Database(server.database)
    until("a worker has seen when the next deletion is due", lambda: due_at(database) is not None)
    assert server.stop() == 0
    agent.close()
    with database.writing() as connection:
        connection.execute(sa.update(EVENTS).where(EVENTS.c.sequence <= 3).values(received_at=time.time() - 31 * 86400))
        connection.execute(sa.update(UPKEEP).values(due_at=time.time() - HOUR_S))

    server.start()
    until("the deletion is logged", lambda: '"event": "upkeep.done"' in server.journal)
    again = agent.post(box.batch(*events, box.event()))
    database.close()

    assert again.statuses == ["duplicate"] * 5 + ["accepted"]
    assert gaps(server, box.host) == "no gaps"
    assert host_row(server, box.host)["missing_events"] == 0
    assert server.stop() == 0
    assert server.journal.count('"event": "upkeep.done"') == 1
