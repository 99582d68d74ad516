"""Which messages are out and have no answer yet, and when the next one may go out.

paho keeps the messages themselves and sends them again after a broken link. What it does not keep
is who is still waiting, the order after a reconnect, and what the broker refused.
"""

from __future__ import annotations

import threading
from collections import deque

from edgekit.runtime.clock import SYSTEM_CLOCK, Clock

_KEPT_LATENCIES = 10_000


class Outbox:
    """Bookkeeping by message id (`mid`); every method may be called from any thread.

    acknowledged  messages that the broker has taken
    refused       messages that the broker answered with a failure; `refusal` is the last reason

    A message may be added with `since_mono_ns=None`: it is waited for, but not counted (status).

    Order: after a broken link paho sends what was open, while a new message would go out at once,
    before them. So after a link came back nothing new may go out until all older ones are answered.
    """

    def __init__(self, limit: int, clock: Clock = SYSTEM_CLOCK) -> None:
        assert limit > 0, "an outbox without room holds its owner back for ever"
        self.acknowledged = 0
        self.refused = 0
        self.refusal = ""
        self._limit = limit
        self._clock = clock
        self._open: dict[int, int | None] = {}
        # The answer can come before publish() has told its caller the mid.
        self._early: dict[int, str] = {}
        self._latencies_ms: deque[float] = deque(maxlen=_KEPT_LATENCIES)
        self._is_up = False
        self._is_recovering = False
        self._changed = threading.Condition()

    @property
    def open_count(self) -> int:
        """Counted messages without an answer."""
        with self._changed:
            return sum(since is not None for since in self._open.values())

    @property
    def latencies_ms(self) -> list[float]:
        """From each message's `since_mono_ns` to its acknowledgement; the last ten thousand."""
        with self._changed:
            return list(self._latencies_ms)

    def link_up(self, limit: int | None = None) -> None:
        """The broker has accepted the connection; `limit` is how much it takes, if it says so."""
        with self._changed:
            self._is_up = True
            self._limit = min(self._limit, limit or self._limit)
            self._is_recovering = bool(self._open)
            self._changed.notify_all()

    def link_down(self) -> None:
        """The connection is gone; nothing goes out until it is back."""
        with self._changed:
            self._is_up = False
            self._changed.notify_all()

    def add(self, mid: int, since_mono_ns: int | None) -> None:
        """A message was handed to the client."""
        with self._changed:
            self._open[mid] = since_mono_ns
            if mid in self._early:
                self._settle(mid, self._early.pop(mid))

    def settle(self, mid: int, refusal: str = "") -> None:
        """The broker answered; `refusal` is its reason if it did not take the message."""
        with self._changed:
            if mid in self._open:
                self._settle(mid, refusal)
            else:
                self._early[mid] = refusal

    def wait_for_turn(self, timeout_s: float) -> bool:
        """Wait until one more message may go out; False if that is not yet so."""
        with self._changed:
            return self._changed.wait_for(self._may_send, timeout_s)

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until every message has its answer; False if some has not."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout_s)

    def _may_send(self) -> bool:
        has_room = len(self._open) < self._limit
        return self._is_up and has_room and not (self._is_recovering and self._open)

    def _settle(self, mid: int, refusal: str) -> None:
        since_mono_ns = self._open.pop(mid)
        if since_mono_ns is not None and refusal:
            self.refused += 1
            self.refusal = refusal
        elif since_mono_ns is not None:
            self.acknowledged += 1
            self._latencies_ms.append((self._clock.mono_ns() - since_mono_ns) / 1e6)
        self._is_recovering = self._is_recovering and bool(self._open)
        self._changed.notify_all()
