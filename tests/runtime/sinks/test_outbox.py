"""Bookkeeping of messages that wait for their acknowledgement."""

from __future__ import annotations

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.runtime.clock import Clock
from edgekit.runtime.sinks.outbox import Outbox


def test_message_counts_once_it_is_acknowledged() -> None:
    outbox = Outbox(4, Clock(lambda: 0, lambda: 7_000_000))
    outbox.link_up()
    outbox.add(1, 2_000_000)
    assert (outbox.open_count, outbox.acknowledged) == (1, 0)
    outbox.settle(1)
    assert (outbox.open_count, outbox.acknowledged) == (0, 1)
    assert outbox.latencies_ms == [5.0]


def test_answer_that_comes_before_the_message_is_known_counts_too() -> None:
    outbox = Outbox(4)
    outbox.settle(9)
    assert outbox.acknowledged == 0
    outbox.add(9, 0)
    assert (outbox.open_count, outbox.acknowledged) == (0, 1)


def test_refused_message_is_not_acknowledged() -> None:
    outbox = Outbox(4)
    outbox.add(1, 0)
    outbox.settle(1, "not authorized")
    assert (outbox.acknowledged, outbox.refused, outbox.refusal) == (0, 1, "not authorized")


def test_status_message_is_waited_for_and_not_counted() -> None:
    outbox = Outbox(4)
    outbox.add(1, None)
    assert outbox.open_count == 0
    assert not outbox.wait_until_empty(0)
    outbox.settle(1)
    assert outbox.wait_until_empty(0)
    assert outbox.acknowledged == 0


def test_nothing_goes_out_without_a_link() -> None:
    outbox = Outbox(4)
    assert not outbox.wait_for_turn(0)
    outbox.link_up()
    assert outbox.wait_for_turn(0)
    outbox.link_down()
    assert not outbox.wait_for_turn(0)


def test_full_outbox_holds_the_next_one_back() -> None:
    outbox = Outbox(2)
    outbox.link_up()
    outbox.add(1, 0)
    assert outbox.wait_for_turn(0)
    outbox.add(2, 0)
    assert not outbox.wait_for_turn(0)
    outbox.settle(1)
    assert outbox.wait_for_turn(0)


def test_broker_may_lower_the_limit_and_never_raise_it() -> None:
    outbox = Outbox(3)
    outbox.link_up(1)
    outbox.add(1, 0)
    assert not outbox.wait_for_turn(0)
    outbox.settle(1)
    outbox.link_up(100)
    outbox.add(2, 0)
    assert not outbox.wait_for_turn(0)


def test_after_a_broken_link_the_older_ones_go_first() -> None:
    outbox = Outbox(10)
    outbox.link_up()
    outbox.add(1, 0)
    outbox.add(2, 0)
    outbox.link_down()
    outbox.link_up()
    assert not outbox.wait_for_turn(0)
    outbox.settle(1)
    assert not outbox.wait_for_turn(0)
    outbox.settle(2)
    assert outbox.wait_for_turn(0)
    outbox.add(3, 0)
    assert outbox.wait_for_turn(0)


def test_waiting_ends_when_the_answer_comes_from_another_thread() -> None:
    outbox = Outbox(1)
    outbox.link_up()
    outbox.add(1, 0)
    thread = threading.Timer(0.01, lambda: outbox.settle(1))
    thread.start()
    assert outbox.wait_until_empty(10)
    thread.join()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "settle"]), st.integers(1, 30)), max_size=80))
def test_every_message_is_open_or_settled_whatever_the_order(steps: list[tuple[str, int]]) -> None:
    outbox, added, settled = Outbox(100), set[int](), set[int]()
    for step, mid in steps:
        if step == "add" and mid not in added:
            outbox.add(mid, 0)
            added.add(mid)
        elif step == "settle" and mid not in settled:
            outbox.settle(mid)
            settled.add(mid)
        assert outbox.acknowledged == len(added & settled)
        assert outbox.open_count == len(added - settled)
