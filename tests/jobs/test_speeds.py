"""Measured speeds: after a restart an estimate needs no model loaded, unless something has changed."""

from dataclasses import replace

import pytest

from backend.api import Api
from backend.config import Settings
from backend.jobs.speeds import keep_speed, kept_speeds
from backend.models.engine import Speed
from backend.requests import ClipRequest
from backend.store.database import Database
from tests.conftest import TINY
from tests.tiny_engine import SPEC
from tests.waiting import until

SPEED = Speed({1: 0.25, 2: 0.125}, {1: 0.5, 2: 0.25}, 2.0)


def test_a_speed_is_read_as_it_was_kept(database: Database) -> None:
    keep_speed(database, SPEC, replace(SPEED, decode_seconds=9.0), device="cpu")
    keep_speed(database, SPEC, SPEED, device="cpu")
    assert kept_speeds(database, [SPEC], device="cpu") == {"tiny": SPEED}


def test_a_speed_of_another_device_or_size_is_not_used(database: Database) -> None:
    keep_speed(database, SPEC, SPEED, device="cpu")
    larger = replace(SPEC, sizes={**SPEC.sizes, "1:1": (64, 64)})
    assert kept_speeds(database, [SPEC], device="cuda") == {}
    assert kept_speeds(database, [larger], device="cpu") == {}
    assert kept_speeds(database, [], device="cpu") == {}


def test_an_estimate_after_a_restart_takes_the_speed_of_before(settings: Settings) -> None:
    request = ClipRequest(prompt="a ball", engine="tiny")
    with Api.open(settings, warm_engine="tiny", extra_engines=TINY) as api:
        assert api.estimate(request).seconds is None
        until(lambda: api.estimate(request).seconds is not None)
        measured = api.estimate(request).seconds
    with Api.open(settings, warm_engine=None, extra_engines=TINY) as later:
        assert later.status().worker == "stopped"
        assert later.estimate(request).seconds == pytest.approx(measured)
