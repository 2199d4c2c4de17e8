"""What the master is doing, and what makes it do the next thing. The supervisor only walks these tables."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """The master's phases; the text completes "askr is ..."."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING_FRONTS = "waiting for requests in flight"
    DRAINING_WORKERS = "waiting for workers"
    STOPPING_TEMPLATE = "stopping the template"
    DONE = "done"


class Event(Enum):
    """What moves the master from one phase to the next."""

    ALL_UP = "every front accepts and every worker is idle"
    STOP = "told to stop, or gave up"
    FRONTS_GONE = "no front is left"
    WORKERS_GONE = "no worker is left"
    TEMPLATE_GONE = "no template is left"


TRANSITIONS: dict[Phase, dict[Event, Phase]] = {
    Phase.STARTING: {Event.ALL_UP: Phase.SERVING, Event.STOP: Phase.DRAINING_FRONTS},
    Phase.SERVING: {Event.STOP: Phase.DRAINING_FRONTS},
    Phase.DRAINING_FRONTS: {Event.FRONTS_GONE: Phase.DRAINING_WORKERS},
    Phase.DRAINING_WORKERS: {Event.WORKERS_GONE: Phase.STOPPING_TEMPLATE},
    Phase.STOPPING_TEMPLATE: {Event.TEMPLATE_GONE: Phase.DONE},
    Phase.DONE: {},
}

# Who is replaced when it dies. While fronts drain, requests in flight still need workers; nothing is refilled after that, so
# stopping always comes to an end.
REFILLS_FRONTS = frozenset({Phase.STARTING, Phase.SERVING})
REFILLS_TEMPLATE = frozenset({Phase.STARTING, Phase.SERVING})
REFILLS_WORKERS = frozenset({Phase.STARTING, Phase.SERVING, Phase.DRAINING_FRONTS})

STOPPING = frozenset(phase for phase in Phase if Event.STOP not in TRANSITIONS[phase])


class SlotState(Enum):
    """A worker's slot."""

    EMPTY = "nobody"
    ASKED = "the template was asked to fork"
    STARTING = "forked, not idle yet"
    UP = "takes requests"


class SlotEvent(Enum):
    """What happens to a slot."""

    ASK = "ask"
    FORKED = "forked"
    FAILED = "failed"
    READY = "ready"
    EXITED = "exited"
    TEMPLATE_DIED = "template died"


SLOT_TRANSITIONS: dict[SlotState, dict[SlotEvent, SlotState]] = {
    SlotState.EMPTY: {SlotEvent.ASK: SlotState.ASKED},
    SlotState.ASKED: {
        SlotEvent.FORKED: SlotState.STARTING,
        SlotEvent.FAILED: SlotState.EMPTY,
        SlotEvent.TEMPLATE_DIED: SlotState.EMPTY,
    },
    SlotState.STARTING: {SlotEvent.READY: SlotState.UP, SlotEvent.EXITED: SlotState.EMPTY},
    SlotState.UP: {SlotEvent.EXITED: SlotState.EMPTY},
}
