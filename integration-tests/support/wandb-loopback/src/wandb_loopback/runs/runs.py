"""Runs: what the client says about them, and how they are found again."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from wandb_loopback.errors import GapError, RefusalError
from wandb_loopback.graphql.connections import Connection
from wandb_loopback.graphql.fields import DONE, field
from wandb_loopback.graphql.filters import matches, ordered
from wandb_loopback.runs.projects import Project, ServerSettings, User, open_project, project
from wandb_loopback.store.store import Record, Store, now

_COLUMNS = {
    "displayName": "display_name",
    "description": "description",
    "notes": "notes",
    "config": "config",
    "summaryMetrics": "summary_metrics",
    "groupName": "group",
    "jobType": "job_type",
    "host": "host",
    "commit": "commit",
    "sweep": "sweep_name",
    "state": "state",
}


@dataclass(frozen=True)
class Run(Record):
    """A run; its history, files and artifacts are added to it in their own modules."""

    table: ClassVar[str] = "run"

    project_number: int
    name: str
    display_name: str
    description: str
    notes: str
    tag_list: str
    config: str
    summary_metrics: str
    group: str | None
    job_type: str | None
    host: str | None
    commit: str | None
    sweep_name: str | None
    state: str
    created_at: str
    heartbeat_at: str

    read_only: ClassVar[bool] = False
    user: ClassVar[User] = User()

    @property
    def tags(self) -> list[str]:
        """The tags, in the order in which they were given."""
        tags: list[str] = json.loads(self.tag_list)
        return tags

    @property
    def project(self) -> Project:
        """Where it belongs."""
        return self.store.get(Project, self.project_number)

    @property
    def project_id(self) -> int:
        """The bare number of the project."""
        return self.project_number

    def wandb_config(self, keys: list[str] | None = None) -> str:
        """The client's own part of the configuration.

        A client that resumes takes a run without its key `t` for one that never began.
        """
        own = json.loads(self.config).get("_wandb", {}).get("value", {})
        return json.dumps({key: own[key] for key in own if keys is None or key in keys})

    def value(self, key: str) -> Any:
        """What filters and orders mean by a key."""
        place, _, path = key.partition(".")
        if place == "config":
            path = path.removesuffix(".value")
            name, _, rest = path.partition(".")
            return _dig(json.loads(self.config).get(name, {}).get("value"), rest)
        if place in ("summary_metrics", "summary"):
            return _dig(json.loads(self.summary_metrics), path)
        if key in ("created_at", "createdAt"):
            return self.number
        if key == "tags":
            return self.tags
        fields = {
            "displayName": self.display_name,
            "display_name": self.display_name,
            "group": self.group,
            "jobType": self.job_type,
            "job_type": self.job_type,
            "name": self.name,
            "state": self.state,
        }
        if key not in fields:
            raise GapError(f"filter or order of runs by {key}")
        return fields[key]


def _dig(value: Any, path: str) -> Any:
    for key in path.split(".") if path else ():
        value = value.get(key) if isinstance(value, dict) else None
    return value


def find_run(store: Store, entity: str | None, project_name: str, name: str) -> Run:
    """The run that a client names; one that is not there is refused."""
    owner = project(store, project_name, entity)
    found = None if owner is None else run(owner, name)
    if found is None:
        raise RefusalError(f"run {entity}/{project_name}/{name} not found", status=404)
    return found


@field("Project")
def run(project: Project, name: str) -> Run | None:
    """The run with an identifier, which the protocol calls its name."""
    return project.store.first(Run, "project_number = ? AND name = ?", project.number, name)


@field("Project")
def bucket(project: Project, name: str, missing_ok: bool = False) -> Run | None:
    """A run, under its oldest name in the protocol."""
    found = run(project, name)
    if found is None and not missing_ok:
        raise RefusalError(f"run {name!r} not found", status=404)
    return found


@field("Project")
def runs(
    project: Project,
    filters: str | None = None,
    order: str | None = None,
    first: int | None = None,
    after: str | None = None,
) -> Connection:
    """The runs that match a filter, newest first unless an order is given."""
    every = project.store.all(Run, "project_number = ?", project.number)
    found = [each for each in every if matches(each.value, filters)]
    return Connection(ordered(found, Run.value, order or "-created_at"), first, after)


@field("Project")
def run_count(project: Project, filters: str | None = None) -> int:
    """How many runs match a filter."""
    return runs(project, filters).total_count


@field("Mutation")
def upsert_bucket(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Make a run or change it; what the client leaves out, or gives as null, stays as it is."""
    inserted = False
    if values.get("id"):
        found = store.by_id(Run, values["id"])
    else:
        owner = open_project(store, values.get("entityName"), values.get("modelName"))
        name = values.get("name")
        if not name:
            raise GapError("a run that the server is to name")
        existing = run(owner, name)
        inserted = existing is None
        found = existing or _new_run(owner, name)
    changes = {_COLUMNS[key]: values[key] for key in _COLUMNS if values.get(key) is not None}
    if values.get("tags") is not None:
        changes["tag_list"] = json.dumps(values["tags"])
    changed = found.change(**changes) if changes else found
    return {"bucket": changed, "inserted": inserted, "server_settings": ServerSettings()}


def _new_run(owner: Project, name: str) -> Run:
    return owner.store.add(
        Run,
        project_number=owner.number,
        name=name,
        display_name=name,
        state="running",
        created_at=now(),
        heartbeat_at=now(),
    )


@field("Mutation")
def delete_run(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Forget a run; its artifacts stay, unless they are to go as well."""
    doomed = store.by_id(Run, values["id"])
    if values.get("deleteArtifacts"):
        store.execute("DELETE FROM artifact WHERE creator_number = ?", doomed.number)
    store.execute("DELETE FROM run WHERE number = ?", doomed.number)
    store.sweep()
    return DONE


@field("Mutation")
def notify_scriptable_run_alert(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Take an alert of a run, which is sent to nobody."""
    find_run(store, values["entityName"], values["projectName"], values["runName"])
    return DONE
