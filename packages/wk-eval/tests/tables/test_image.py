"""Images look as they should, whatever values they have and wherever they are made."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import wandb
from PIL import Image

from wk_core.compat.keras.flavour import keras
from wk_eval import WandbEvalCallback
from wk_eval.tables.image import TableImage, deferred_images
from wk_eval.tables.pixel_source import PixelSource
from wk_eval.tables.spool import PixelFile
from wk_testing.classifier import classes, classifier, images
from wk_testing.tables import logged_tables
from wk_testing.versions import needs_normalize

BYTES = images(3)[..., 0]
COLOURS = np.random.default_rng(1).integers(0, 256, (2, 5, 4, 3), dtype="uint8")
WIDE = np.random.default_rng(3).integers(0, 256, (2, 5, 6, 3), dtype="uint8")
TRANSPARENT = np.random.default_rng(2).integers(0, 256, (2, 5, 4, 4), dtype="uint8")

KINDS = {
    "bytes": (BYTES, BYTES),
    "one channel": (BYTES[..., None], BYTES),
    "a batch axis": (BYTES[:, None, ..., None], BYTES),
    "integers": (BYTES.astype("int64"), BYTES),
    "16 bits": (BYTES.astype("uint16") * 257, BYTES),
    "0 to 1": (BYTES / 255, BYTES),
    "0 to 1, single precision": ((BYTES / 255).astype("float32"), BYTES),
    "-1 to 1": (BYTES / 127.5 - 1, BYTES),
    "0 to 255": (BYTES.astype("float32"), BYTES),
    "booleans": (BYTES > 128, (BYTES > 128) * np.uint8(255)),
    "colours": (COLOURS, COLOURS),
    "colours, 0 to 1": (COLOURS / 255, COLOURS),
    "channels first": (np.moveaxis(WIDE, -1, 1), WIDE),
    "transparent": (TRANSPARENT, TRANSPARENT),
    "tensors": (keras.ops.convert_to_tensor((BYTES / 255).astype("float32")), BYTES),
    "Pillow": ([Image.fromarray(each) for each in COLOURS], COLOURS),
}


class Show(WandbEvalCallback):
    """Logs what it is given."""

    def __init__(self, cells, predicted=lambda _: []):
        super().__init__(["image"], ["image"])
        self.cells, self.predicted = cells, predicted

    def add_ground_truth(self, logs=None):  # noqa: ARG002
        for cell in self.cells:
            self.data_table.add_data(cell() if callable(cell) else wandb.Image(cell))

    def add_model_predictions(self, epoch, logs=None):  # noqa: ARG002
        for cell in self.predicted(self):
            self.pred_table.add_data(cell)


def fit(callback):
    classifier().fit(images(), classes(), verbose=0, callbacks=[callback])


def shown(run, read_back):
    (table,) = logged_tables(read_back(run), "val")
    return [table.pixels(cell["path"]) for cell in table.column("image")]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[] if kind == "tensors" else pytest.mark.backend_free)
        for kind in KINDS
    ],
)
def test_any_usual_range(kind, offline_run, read_back):
    given, expected = KINDS[kind]
    run = offline_run()
    fit(Show(given))
    for pixels, right in zip(shown(run, read_back), expected, strict=True):
        assert pixels.shape == right.shape
        assert np.abs(pixels.astype(int) - right).max() <= 1


@pytest.mark.parametrize(
    "made",
    [
        lambda torch, pixels: torch.tensor(pixels),
        lambda torch, pixels: torch.tensor(pixels / 255, requires_grad=True),
        lambda torch, pixels: torch.tensor(pixels / 255, dtype=torch.float16),
        lambda torch, pixels: torch.tensor(pixels / 255, dtype=torch.bfloat16),
        lambda torch, pixels: torch.tensor(np.moveaxis(pixels, -1, 1)),
    ],
    ids=["bytes", "with gradients", "half", "bfloat16", "channels first"],
)
def test_tensors_of_pytorch(made, offline_run, read_back):
    torch = pytest.importorskip("torch")
    run = offline_run()
    tensors = made(torch, WIDE)
    fit(Show(tensors))
    for pixels, right in zip(shown(run, read_back), WIDE, strict=True):
        closest = 1 if tensors.dtype == torch.bfloat16 else 0
        assert np.abs(pixels.astype(int) - right).max() <= closest


@pytest.mark.backend_free
def test_range_of_the_column_holds_for_each_image(offline_run, read_back):
    run = offline_run()
    fit(Show([np.full((2, 2), -1.0), np.full((2, 2), 0.0), np.full((2, 2), 1.0)]))
    assert [int(pixels[0, 0]) for pixels in shown(run, read_back)] == [0, 128, 255]


@pytest.mark.backend_free
def test_odd_values_are_stretched(offline_run, read_back):
    run = offline_run()
    fit(Show([np.array([[-3.0, 0.0, 5.0]])]))
    assert shown(run, read_back)[0].tolist() == [[0, 96, 255]]


@pytest.mark.backend_free
def test_later_changes_do_not_show(offline_run, read_back):
    pixels = BYTES[0].copy()

    def change():
        image = wandb.Image(pixels)
        pixels[:] = 0
        return image

    run = offline_run()
    fit(Show([change]))
    assert (shown(run, read_back)[0] == BYTES[0]).all()


@pytest.mark.backend_free
def test_arrays_in_a_column_of_images(offline_run, read_back):
    run = offline_run()
    fit(Show([], lambda _: [wandb.Image(BYTES[0] / 255), BYTES[1] / 255]))
    (table,) = logged_tables(read_back(run), f"run_{run.id}_pred")
    pixels = [table.pixels(cell["path"]) for cell in table.column("image")]
    assert np.array_equal(pixels, BYTES[:2])


@pytest.mark.backend_free
def test_caption_and_mode(offline_run, read_back):
    run = offline_run()
    fit(Show([lambda: wandb.Image(COLOURS[0], caption="a dog", mode="L")]))
    (table,) = logged_tables(read_back(run), "val")
    (cell,) = table.column("image")
    assert cell["caption"] == "a dog"
    assert (
        table.pixels(cell["path"]) == np.asarray(Image.fromarray(COLOURS[0]).convert("L"))
    ).all()


@pytest.mark.backend_free
def test_masks_and_boxes_of_the_user(offline_run, read_back):
    labels = {0: "dark", 1: "bright"}
    mask = (BYTES[0] > 128).astype("uint8")
    box = {"position": {"minX": 0, "minY": 1, "maxX": 2, "maxY": 3}, "class_id": 1}

    def truth():
        return wandb.Image(BYTES[0], masks={"truth": {"mask_data": mask, "class_labels": labels}})

    def predicted(callback):
        known = callback.data_table_ref[0][0]
        masks = {"prediction": {"mask_data": 1 - mask, "class_labels": labels}}
        boxes = {"box": {"box_data": [{**box, "domain": "pixel"}], "class_labels": labels}}
        return [wandb.Image(known, masks=masks, boxes=boxes)]

    run = offline_run()
    fit(Show([truth], predicted))

    written = read_back(run)
    (data,) = logged_tables(written, "val")
    (table,) = logged_tables(written, f"run_{run.id}_pred")
    (known,), (cell,) = data.column("image"), table.column("image")
    assert cell["path"] == known["path"]
    assert cell["path"] in table.references
    assert (data.pixels(known["masks"]["truth"]["path"]) == mask).all()
    assert (table.pixels(cell["masks"]["prediction"]["path"]) == 1 - mask).all()
    assert cell["boxes"]["box"][0]["position"] == box["position"]
    # The names of the classes are in the data already.
    assert cell["classes"] == known["classes"]
    assert cell["classes"]["path"] in table.references


@pytest.mark.backend_free
def test_image_that_was_looked_at_is_still_referred_to(offline_run, read_back):
    def look(callback):
        known = callback.data_table_ref[0][0]
        assert (np.asarray(known.image) == BYTES[0]).all()
        return [known, wandb.Image(known, caption="again")]

    run = offline_run()
    fit(Show(BYTES[:1], look))
    written = read_back(run)
    (data,), (table,) = (logged_tables(written, name) for name in ("val", f"run_{run.id}_pred"))
    assert table.files == {"eval_data.table.json"}
    assert [cell["path"] for cell in table.column("image")] == [data.rows[0][0]["path"]] * 2


class SlowFile(PixelFile):
    """Takes its time to write."""

    def __init__(self):
        super().__init__()
        self.writes = threading.Event()

    def write(self, pixels):
        self.writes.set()
        time.sleep(0.1)
        return super().write(pixels)


@pytest.mark.backend_free
def test_image_is_stored_while_another_table_takes_it():
    # The training thread fills a table with images that the background is storing.
    file, content = SlowFile(), PixelSource(BYTES[0])
    with ThreadPoolExecutor(1) as pool:
        filling = pool.submit(content.spool, file)
        file.writes.wait()
        np.testing.assert_array_equal(content.pixels(), BYTES[0])
        content.mark_stored(store=None, json={})
        filling.result()
    content.spool(file)  # and nothing is left to be put down
    assert file.write(BYTES[1]) == 0


@pytest.mark.backend_free
def test_image_that_goes_elsewhere(offline_run, read_back):
    def log():
        image = wandb.Image(BYTES[0] / 255)
        wandb.run.log({"elsewhere": image, "several": [image, wandb.Image(BYTES[1] / 255)]})
        return image

    run = offline_run()
    fit(Show([log]))
    written = read_back(run)
    (entry,) = written.rows("elsewhere/path")
    with Image.open(Path(run.settings.files_dir, entry["elsewhere/path"])) as picture:
        assert (np.asarray(picture) == BYTES[0]).all()
    assert len(logged_tables(written, "val")[0].rows) == 1


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("image", "telling"),
    [
        (np.zeros((3, 2, 2, 2)), r"An image needs the shape.*shape=\(3, 2, 2, 2\)"),
        (np.zeros((6, 4, 2)), r"shape=\(6, 4, 2\)"),
        (np.zeros(5), r"shape=\(5,\)"),
        (np.full((2, 2), np.nan), "An image needs finite values.*nan"),
        (np.full((2, 2), -5), "An image of integers needs values.*from -5 to -5"),
        (np.full((2, 2), 70_000), "from 70000 to 70000"),
        (np.zeros((2, 2), complex), "dtype=complex128"),
    ],
)
def test_what_is_no_image(offline_run, image, telling):
    offline_run()
    with pytest.raises(ValueError, match=telling):
        fit(Show([image]))


class Explicit(Show):
    """Makes its images by the explicit call, of what it is given with its arguments."""

    def add_ground_truth(self, logs=None):  # noqa: ARG002
        for data, arguments in self.cells:
            self.data_table.add_data(self.image(data, **arguments))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[] if kind == "tensors" else pytest.mark.backend_free)
        for kind in KINDS
    ],
)
def test_explicit_call_takes_any_usual_range(kind, offline_run, read_back):
    given, expected = KINDS[kind]
    run = offline_run()
    fit(Explicit([(each, {}) for each in given]))
    for pixels, right in zip(shown(run, read_back), expected, strict=True):
        assert np.abs(pixels.astype(int) - right).max() <= 1


@pytest.mark.backend_free
def test_explicit_call_passes_arguments_on(offline_run, read_back, tmp_path):
    labels, mask = {0: "dark", 1: "bright"}, (BYTES[0] > 128).astype("uint8")
    Image.fromarray(BYTES[1]).save(tmp_path / "one.png")
    run = offline_run()
    masks = {"truth": {"mask_data": mask, "class_labels": labels}}
    cells = [
        (BYTES[0] / 255, {"caption": "a dog", "grouping": 2, "masks": masks}),
        (str(tmp_path / "one.png"), {"caption": "a file"}),
        (BYTES[2], {"file_type": "bmp"}),
    ]
    fit(Explicit(cells, lambda callback: [callback.image(callback.data_table_ref[0][0])]))

    written = read_back(run)
    (data,), (table,) = (logged_tables(written, name) for name in ("val", f"run_{run.id}_pred"))
    first, file, other = data.column("image")
    assert (first["caption"], first["grouping"], file["caption"]) == ("a dog", 2, "a file")
    assert (data.pixels(first["masks"]["truth"]["path"]) == mask).all()
    assert (data.pixels(file["path"]) == BYTES[1]).all()
    assert other["format"] == "bmp"
    assert table.files == {table.path}
    assert table.rows[0][0]["path"] == first["path"]


@needs_normalize
@pytest.mark.backend_free
def test_values_are_left_alone_without_normalize(offline_run, read_back):
    dark = BYTES[:2] // 200  # zeros and ones
    cells = [lambda: wandb.Image(dark[0], normalize=False), lambda: wandb.Image(dark[0])]
    run = offline_run()
    fit(Show(cells, lambda callback: [callback.image(dark[1] / 1.0, normalize=False)]))

    written = read_back(run)
    (data,), (table,) = (logged_tables(written, name) for name in ("val", f"run_{run.id}_pred"))
    for cell in data.column("image"):
        assert (data.pixels(cell["path"]) == dark[0]).all()
    (cell,) = table.column("image")
    assert (table.pixels(cell["path"]) == dark[1]).all()


@pytest.mark.backend_free
def test_explicit_call_encodes_nothing_and_works_outside_of_tables(offline_run, read_back):
    run = offline_run()
    pixels = BYTES[0].copy()
    image = Show([]).image(pixels / 255, caption="a")
    assert type(image) is TableImage
    assert not list(Path(run.settings.files_dir).rglob("*.png"))
    run.log({"elsewhere": image})
    (entry,) = read_back(run).rows("elsewhere/path")
    with Image.open(Path(run.settings.files_dir, entry["elsewhere/path"])) as picture:
        assert (np.asarray(picture) == pixels).all()


@pytest.mark.backend_free
def test_other_threads_make_wandbs_own_images_meanwhile():
    def make(data):
        image = wandb.Image(data)
        return type(image), wandb.Image(image), np.asarray(image.image)

    plain = make(BYTES[0] / 255)[2]  # which is black
    with ThreadPoolExecutor(1) as pool, deferred_images():
        assert type(wandb.Image(BYTES[0] / 255)) is TableImage
        kind, again, pixels = pool.submit(make, BYTES[0] / 255).result()
        assert kind is type(again) is wandb.Image
        assert (pixels == plain).all()
        with pool.submit(deferred_images).result():
            pass
        assert type(wandb.Image(BYTES[0])) is TableImage
    assert type(wandb.Image(BYTES[0])) is wandb.Image


@pytest.mark.backend_free
def test_two_threads_fill_tables_at_once():
    before = [vars(wandb.Image)[name] for name in ("_initialize_from_data", "_free_ram")]
    both_deferring, one_done = threading.Barrier(2), threading.Event()

    def fill(waits):
        with deferred_images():
            both_deferring.wait(timeout=60)
            if waits:
                one_done.wait(timeout=60)
            kind = type(wandb.Image(BYTES[0]))
        one_done.set()
        return kind, type(wandb.Image(BYTES[0]))

    with ThreadPoolExecutor(2) as pool:
        kinds = list(pool.map(fill, [False, True]))
    assert kinds == [(TableImage, wandb.Image)] * 2
    assert [vars(wandb.Image)[name] for name in ("_initialize_from_data", "_free_ram")] == before


@pytest.mark.backend_free
def test_images_of_a_class_of_the_users_are_wandbs_own():
    class Own(wandb.Image):
        pass

    with deferred_images():
        assert type(Own(BYTES[0])) is Own


@pytest.mark.backend_free
def test_images_are_wandbs_own_after_an_error(offline_run):
    def fail():
        raise RuntimeError("no image")

    offline_run()
    with pytest.raises(RuntimeError, match="no image"):
        fit(Show([fail]))
    assert type(wandb.Image(BYTES[0])) is wandb.Image
