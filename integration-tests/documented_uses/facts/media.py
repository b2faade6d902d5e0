"""Images, tables and histograms as wandb writes them, without their files."""

from collections.abc import Mapping
from typing import Any

from documented_uses.facts.values import plain, short


def gather_media(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row in which each medium is one value, not a key for each of its parts."""
    names = {key.removesuffix("/_type") for key in row if key.endswith("/_type")}
    gathered: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {name: {} for name in names}
    for key, value in row.items():
        owners = [name for name in names if key.startswith(f"{name}/")]
        if owners:
            owner = max(owners, key=len)
            parts[owner][key.removeprefix(f"{owner}/")] = value
        else:
            gathered[key] = cell(value)
    return gathered | {name: medium(value) for name, value in parts.items()}


def cell(value: Any) -> Any:
    """Returns a value of a row or a table, in which a medium is a text."""
    if isinstance(value, Mapping):
        if "_type" in value:
            return medium(value)
        return {key: cell(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [cell(each) for each in value]
    return value


def medium(value: Mapping[str, Any]) -> Any:
    """Returns what an image, a table or another medium is, without its file."""
    match value["_type"]:
        case "image-file":
            known = ("boxes", "masks", "classes", "caption")
            parts = [name for name in known if any(key.startswith(name) for key in value)]
            return " ".join([f"image of {value['width']}x{value['height']}", *parts])
        case "images/separated":
            captions = value.get("captions") or []
            size = f"{value['width']}x{value['height']}"
            return {"images": f"{value['count']} of {size}", "captions": short(captions)}
        case "table-file":
            return f"table of {value['nrows']} x {value['ncols']}"
        case "histogram":
            counts, bins = value["values"], value["bins"]
            what = f"{sum(counts)} values in {len(counts)} bins"
            return {"histogram": what, "from": plain(bins[0]), "to": plain(bins[-1])}
        case kind:
            return str(kind)
