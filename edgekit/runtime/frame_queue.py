"""The bounded queue between capture and detection."""

from __future__ import annotations

import threading
from collections import deque

from edgekit.core import Frame, unknown_name

#: every: a full queue holds capture back, nothing is lost. latest: a full queue drops its oldest
#: frame and counts it, so that what is looked at is fresh.
POLICIES = ("every", "latest")


def check_policy(policy: str) -> None:
    """Refuse a policy that is not one of POLICIES.

    raises  UsageError
    """
    if policy not in POLICIES:
        raise unknown_name("policy", policy, POLICIES)


class FrameQueue:
    """At most `capacity` frames. One thread puts, one takes; either may close it.

    dropped  frames that policy `latest` has thrown away
    raises   UsageError for an unknown policy
    """

    def __init__(self, capacity: int, policy: str = "every") -> None:
        check_policy(policy)
        assert capacity > 0, "a queue without room holds capture back for ever"
        self.dropped = 0
        self._capacity = capacity
        self._policy = policy
        self._frames: deque[Frame] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, frame: Frame) -> bool:
        """Add a frame; False if the queue was closed meanwhile and the frame is not in it."""
        with self._changed:
            if self._policy == "latest":
                while len(self._frames) >= self._capacity:
                    self._frames.popleft()
                    self.dropped += 1
            self._changed.wait_for(lambda: self._closed or len(self._frames) < self._capacity)
            if self._closed:
                return False
            self._frames.append(frame)
            self._changed.notify_all()
            return True

    def take(self) -> Frame | None:
        """The oldest frame, waiting for one; None once the queue is closed and empty."""
        with self._changed:
            # A timeout lets Python run the signal handlers of the main thread.
            while not self._changed.wait_for(lambda: self._closed or self._frames, timeout=0.5):
                pass
            frame = self._frames.popleft() if self._frames else None
            self._changed.notify_all()
            return frame

    def close(self) -> None:
        """Nothing more comes in; what is in may still be taken. Twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
