-- Everything the server remembers, apart from the blobs, which are files named by their MD5.

CREATE TABLE project (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    entity_name TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (entity_name, name)
);

CREATE TABLE run (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    project_number INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    name TEXT NOT NULL,
    display_name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    notes TEXT NOT NULL DEFAULT '',
    tag_list TEXT NOT NULL DEFAULT '[]',
    config TEXT NOT NULL DEFAULT '{}',
    summary_metrics TEXT NOT NULL DEFAULT '{}',
    "group" TEXT,
    job_type TEXT,
    host TEXT,
    "commit" TEXT,
    sweep_name TEXT,
    state TEXT NOT NULL,
    created_at TEXT NOT NULL,
    heartbeat_at TEXT NOT NULL,
    UNIQUE (project_number, name)
);

-- A line of history, of system events or of console output. The key makes a repeated request
-- harmless; client is empty but in shared mode, where every writer counts from zero.
CREATE TABLE line (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    run_number INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    stream TEXT NOT NULL,
    client TEXT NOT NULL,
    offset INTEGER NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (run_number, stream, client, offset)
);

CREATE TABLE run_file (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    run_number INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    name TEXT NOT NULL,
    blob TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (run_number, name)
);

CREATE TABLE artifact_sequence (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    project_number INTEGER NOT NULL REFERENCES project ON DELETE CASCADE,
    name TEXT NOT NULL,
    type_name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    digest_algorithm TEXT NOT NULL,
    next_version INTEGER NOT NULL DEFAULT 0,
    UNIQUE (project_number, name)
);

CREATE TABLE artifact (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sequence_number INTEGER NOT NULL REFERENCES artifact_sequence ON DELETE CASCADE,
    creator_number INTEGER REFERENCES run ON DELETE SET NULL,
    version_index INTEGER,
    state TEXT NOT NULL DEFAULT 'PENDING',
    digest TEXT NOT NULL,
    digest_algorithm TEXT NOT NULL,
    description TEXT,
    metadata TEXT,
    wanted_aliases TEXT NOT NULL,
    ttl INTEGER NOT NULL,
    history_step INTEGER,
    created_at TEXT NOT NULL,
    updated_at TEXT
);

CREATE TABLE manifest (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_number INTEGER NOT NULL UNIQUE REFERENCES artifact ON DELETE CASCADE,
    type TEXT NOT NULL,
    base_number INTEGER,
    digest TEXT NOT NULL,
    blob TEXT
);

-- A file of an artifact: announced while the artifact is pending, taken from the manifest once it
-- is committed. A blob is kept for as long as an entry names it.
CREATE TABLE entry (
    artifact_number INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    blob TEXT,
    PRIMARY KEY (artifact_number, name)
);

CREATE TABLE alias (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sequence_number INTEGER NOT NULL REFERENCES artifact_sequence ON DELETE CASCADE,
    artifact_number INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    alias TEXT NOT NULL,
    UNIQUE (sequence_number, alias)
);

CREATE TABLE tag (
    artifact_number INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    name TEXT NOT NULL,
    PRIMARY KEY (artifact_number, name)
);

CREATE TABLE run_artifact (
    run_number INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    artifact_number INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
    role TEXT NOT NULL,
    PRIMARY KEY (run_number, artifact_number, role)
);

CREATE TABLE client_id (
    client_id TEXT PRIMARY KEY,
    artifact_number INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE
);

-- What tests ask about the server itself.
CREATE TABLE request (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    operation TEXT,
    status INTEGER,
    fault TEXT
);
CREATE TABLE gap (
    number INTEGER PRIMARY KEY,
    message TEXT NOT NULL UNIQUE
);
