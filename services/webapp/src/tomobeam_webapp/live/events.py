"""`/events`: the versions of the lists and what is out of order, for the page to ask often."""

from __future__ import annotations

import flask_login
from flask import Blueprint
from flask.typing import ResponseReturnValue

from tomobeam_contracts.destinations import RECONS, RESULTS
from tomobeam_webapp.jobs.feed import JOBS, Looking
from tomobeam_webapp.live.mirror import UNREAD, FeedState, Mirror


def blueprint(mirror: Mirror, looking: Looking) -> Blueprint:
    """The route."""
    routes = Blueprint("events", __name__)

    @routes.get("/events")
    def events() -> ResponseReturnValue:
        looking.note()
        states = dict.fromkeys((RECONS, RESULTS, JOBS), UNREAD) | mirror.states()
        return {
            "user": flask_login.current_user.id,
            # Being loaded for the first time is a change too, even to nothing.
            "versions": {name: _version(state) for name, state in states.items()},
            "faults": {"images": states[RECONS].fault, "jobs": states[JOBS].fault},
            "loaded": {"images": states[RECONS].loaded, "jobs": states[JOBS].loaded},
        }

    return routes


def _version(state: FeedState) -> str:
    return f"{state.version}.{int(state.loaded)}{int(state.fault is not None)}"
