"""Private parts of wandb, in each version with what it has."""

import pytest
import requests
import wandb

from wk_core.compat.entries import find
from wk_core.compat.wandb.artifacts import is_request_error, request_status
from wk_core.compat.wandb.run_hooks import finish_within

pytestmark = pytest.mark.backend_free

FAILED = find("wandb.sdk.lib.service.service_connection.WandbApiFailedError")


def answered(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("an answer", response=response)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FAILED("no answer"), 0),
        (answered(503), 503),
        (answered(404), 404),
        (requests.ConnectionError("no answer"), 0),
        (requests.ReadTimeout("no answer"), 0),
        (ValueError("refused"), None),
    ],
)
def test_status_of_a_failed_request(error, status):
    for each in (error, wandb.errors.CommError("it failed", error)):
        assert request_status(each) == status
    assert is_request_error(error) == (status is not None)
    assert is_request_error(wandb.errors.CommError("it failed"))


def test_settings_of_a_limit_are_settings_of_this_wandb():
    settings = wandb.Settings(**finish_within(7.0))
    assert getattr(settings, "finish_timeout", 7.0) == 7.0
