"""Who the user is, and the projects, which are little more than names."""

from dataclasses import dataclass
from typing import Any, ClassVar

from wandb_loopback.graphql.connections import Connection
from wandb_loopback.graphql.fields import field
from wandb_loopback.store.store import Record, Store, global_id, now

ENTITY = "test-entity"
MD5_ENTITY = "test-entity-with-md5"
"""One that knows of no other digests, as all did before 2026."""


@dataclass(frozen=True)
class Entity:
    """The owner of projects; any name will do."""

    name: str
    organization: None = None

    @property
    def xxhash_digests_enabled(self) -> bool:
        """Whether its artifacts may have XXH128 digests."""
        return self.name != MD5_ENTITY

    @property
    def id(self) -> str:
        """Its identifier."""
        return global_id("Entity", self.name)


@dataclass(frozen=True)
class User:
    """The one user, who may do everything."""

    id: str = global_id("User", 1)
    name: str = "Tester"
    username: str = "tester"
    email: str = "tester@example.invalid"
    entity: str = ENTITY
    admin: bool = True
    flags: str = "{}"
    deleted_at: None = None
    teams: ClassVar[Connection] = Connection([Entity(ENTITY)])
    api_keys: ClassVar[Connection] = Connection([])


@dataclass(frozen=True)
class ServerFeature:
    """Something that not every server can do."""

    name: str
    is_enabled: bool = True


@dataclass(frozen=True)
class LocalVersionInfo:
    """Which release a server of one's own is, and which one is the newest."""

    out_of_date: bool = False
    latest_version_string: str = "0.0.0"
    version_on_this_instance_string: str = "0.0.0"


@dataclass(frozen=True)
class ServerInfo:
    """What the server says it can do: what wandb 0.31 takes for granted, and little more."""

    features: tuple[ServerFeature, ...] = (
        ServerFeature("ARTIFACT_COLLECTION_MEMBERSHIP_FILES"),  # asked for up to wandb 0.27
        ServerFeature("ARTIFACT_DIGEST_ALGORITHM"),
        ServerFeature("EXPAND_DEFINED_METRIC_GLOBS"),  # up to 0.30
        ServerFeature("PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP"),  # up to 0.27
    )
    cli_version_info: ClassVar[dict[str, str]] = {"max_cli_version": "0.31.0"}  # up to 0.29
    latest_local_version_info: ClassVar[LocalVersionInfo] = LocalVersionInfo()


@dataclass(frozen=True)
class ServerMessage:
    """Something that the server would have a run say."""

    utf_text: str
    plain_text: str
    html_text: str
    message_type: str
    message_level: str


@dataclass(frozen=True)
class ServerSettings:
    """What `wandb sync` asks for up to 0.28."""

    server_messages: tuple[ServerMessage, ...] = ()


@dataclass(frozen=True)
class Project(Record):
    """A project; its runs and artifacts are added to it in their own modules."""

    table: ClassVar[str] = "project"

    entity_name: str
    name: str
    created_at: str

    description: ClassVar[str] = ""
    access: ClassVar[str] = "PRIVATE"
    views: ClassVar[str] = "{}"
    read_only: ClassVar[bool] = False
    is_benchmark: ClassVar[bool] = False
    user: ClassVar[User] = User()

    @property
    def internal_id(self) -> str:
        """The identifier from which the client takes the bare number."""
        return global_id("ProjectInternalId", self.number)

    @property
    def entity(self) -> Entity:
        """To whom it belongs."""
        return Entity(self.entity_name)


def open_project(store: Store, entity: str | None, name: str | None) -> Project:
    """The project that a client writes to, which begins to exist by being written to.

    Args:
        store: The state.
        entity: Its owner; `wandb sync` sends an empty name, which means the user's own.
        name: Its name. Defaults to the one under which W&B keeps runs without a project.
    """
    entity, name = entity or ENTITY, name or "uncategorized"
    return project(store, name, entity) or store.add(
        Project, entity_name=entity, name=name, created_at=now()
    )


@field("Query")
def project(
    store: Store, name: str | None = None, entity_name: str | None = None
) -> Project | None:
    """A project that there is."""
    return store.first(
        Project,
        "entity_name = ? AND name = ?",
        entity_name or ENTITY,
        name or "uncategorized",
    )


@field("Query")
def model(store: Store, **names: Any) -> Project | None:
    """A project, under its oldest name in the protocol."""
    return project(store, **names)


@field("Query")
def models(
    store: Store,
    entity_name: str | None = None,
    first: int | None = None,
    after: str | None = None,
) -> Connection:
    """The projects of an entity."""
    found = store.all(Project, "entity_name = ?", entity_name or ENTITY)
    return Connection(found, first, after)


@field("Query")
def viewer(_store: Store) -> User:
    """The user."""
    return User()


@field("Query")
def entity(_store: Store, name: str | None = None) -> Entity:
    """An owner of projects."""
    return Entity(name or ENTITY)


@field("Query")
def server_info(_store: Store) -> ServerInfo:
    """What the server says it can do."""
    return ServerInfo()


@field("Mutation")
def upsert_model(store: Store, values: dict[str, Any]) -> dict[str, Any]:
    """Make a project, if it is not there."""
    names = values.get("entityName"), values.get("name")
    inserted = project(store, names[1], names[0]) is None
    opened = open_project(store, *names)
    return {"project": opened, "model": opened, "inserted": inserted}
