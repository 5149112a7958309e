# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""Random programs of timers and triggers run in the guest as a model says.

Time is in steps of 10 ms. Programs act in the middle of nothing: they sleep for whole steps, and
timers fire half a step later, so that a few microseconds more or less change no order.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from guest import Guest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STEP_MS = 10
HALF_MS = 5

# (what, index or delay in steps, period in steps)
ACTION = st.one_of(
    st.tuples(st.just("after"), st.integers(0, 6), st.just(0)),
    st.tuples(st.just("every"), st.integers(0, 6), st.integers(1, 5)),
    st.tuples(st.just("event"), st.just(0), st.just(0)),
    st.tuples(st.just("trigger"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("sleep"), st.integers(1, 4), st.just(0)),
    # A callback that cancels another event when it runs for the second time.
    st.tuples(st.just("killer"), st.integers(0, 9), st.integers(1, 3)),
)

RUNNER = """
import os, time
log = []
def program(actions):
    log.clear(); events = []
    def note(ev):
        log.append((events.index(ev), ev.pending))
    def killer(victim):
        def kill(ev):
            note(ev)
            if ev.count == 2: ev.cancel(); events[victim % len(events)].cancel()
        return kill
    for what, a, b in actions:
        if what == 'after': events.append(os.after(a * 10 + 5, note))
        elif what == 'every': events.append(os.every(b * 10, note, start=a * 10 + 5))
        elif what == 'event': events.append(os.event(note))
        elif what == 'killer': events.append(os.every(b * 10, killer(a), start=5))
        elif what == 'sleep': time.sleep_ms(a * 10)
        elif not events: pass
        elif what == 'cancel': events[a % len(events)].cancel()
        elif what == 'trigger':
            try: events[a % len(events)].trigger()
            except TypeError: pass
    time.sleep_ms(100)
    state = [(e.count, e.active) for e in events]
    for e in events: e.cancel()
    print(repr((log, state)))
"""


@dataclass
class ModelEvent:
    number: int
    kind: str
    period: int = 0
    victim: int = -1
    count: int = 0
    active: bool = True


@dataclass
class Model:
    """What events are documented to do."""

    now: int = 0  # ms
    events: list[ModelEvent] = field(default_factory=list)
    queue: list[tuple[int, int, int]] = field(default_factory=list)  # due, order, number
    log: list[tuple[int, int]] = field(default_factory=list)
    made: int = 0

    def arm(self, event: ModelEvent, due: int) -> None:
        # Of two that are due in the same step the one made, or last due, earlier comes first.
        heapq.heappush(self.queue, (due, event.number, event.number))

    def fire(self, event: ModelEvent) -> None:
        event.count += 1
        self.log.append((event.number, 1))
        if event.kind == "after":
            event.active = False
        if event.kind == "killer" and event.count == 2:
            event.active = False
            self.events[event.victim % len(self.events)].active = False

    def sleep(self, ms: int) -> None:
        end = self.now + ms
        while self.queue and self.queue[0][0] <= end:
            self.now, _, number = heapq.heappop(self.queue)
            event = self.events[number]
            if event.active:
                self.fire(event)
                if event.active and event.period:
                    self.arm(event, self.now + event.period)
        self.now = end

    def act(self, what: str, a: int, b: int) -> None:
        if what in ("after", "every", "event", "killer"):
            event = ModelEvent(len(self.events), what, b * STEP_MS, a)
            self.events.append(event)
            if what != "event":
                start = 0 if what == "killer" else a
                self.arm(event, self.now + start * STEP_MS + HALF_MS)
        elif what == "sleep":
            self.sleep(a * STEP_MS)
        elif self.events:
            event = self.events[a % len(self.events)]
            if what == "cancel":
                event.active = False
            elif event.kind == "event" and event.active:
                self.fire(event)

    def run(self, actions: list[tuple[str, int, int]]) -> tuple[list, list]:
        for action in actions:
            self.act(*action)
        self.sleep(100)
        return self.log, [(event.count, event.active) for event in self.events]


def test_random_programs_run_as_the_model_says(virtual: Guest) -> None:
    virtual.exec(RUNNER)

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.lists(ACTION, max_size=25))
    def check(actions: list[tuple[str, int, int]]) -> None:
        expected = Model().run(actions)
        assert virtual.exec(f"program({actions!r})") == f"{expected!r}\n"

    check()
