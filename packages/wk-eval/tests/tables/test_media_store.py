import pytest
import wandb
from wandb.sdk.artifacts.artifact_instance_cache import artifact_instance_cache_by_client_id

from wk_eval.tables.media_store import MediaStore

pytestmark = pytest.mark.backend_free


def test_a_store_makes_no_room_among_the_artifacts_that_wandb_knows():
    # A thread that makes room while another one does ends in a KeyError of wandb's.
    oldest, *_ = (wandb.Artifact("name", type="type") for _ in range(100))
    MediaStore()
    assert oldest._client_id in artifact_instance_cache_by_client_id
    wandb.Artifact("name", type="type")
    assert oldest._client_id not in artifact_instance_cache_by_client_id
