-- +goose Up

-- What came in and is not packed yet: package chunk, Batch.
CREATE TABLE tail (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    n    INTEGER NOT NULL, -- changes
    body BLOB    NOT NULL
);

-- Changes of one prefix and month, in the order of writing. Times are Unix microseconds,
-- months year*12 + month-1.
CREATE TABLE chunk (
    prefix   INTEGER NOT NULL, -- 0: the sessions
    month    INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    recorded INTEGER NOT NULL, -- the earliest
    n        INTEGER NOT NULL,
    body     BLOB    NOT NULL,
    PRIMARY KEY (prefix, month, seq)
) WITHOUT ROWID;

-- The state of one prefix after everything until at; computed from its chunks.
CREATE TABLE checkpoint (
    prefix INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    rests  INTEGER NOT NULL, -- the latest time of recording of what it was computed from
    body   BLOB    NOT NULL,
    PRIMARY KEY (prefix, at)
) WITHOUT ROWID;

-- Months of prefixes whose chunks may want merging.
CREATE TABLE todo (
    prefix INTEGER NOT NULL,
    month  INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    PRIMARY KEY (prefix, month)
) WITHOUT ROWID;

CREATE TABLE peer (id INTEGER PRIMARY KEY, body BLOB NOT NULL UNIQUE);
CREATE TABLE path (id INTEGER PRIMARY KEY, body BLOB NOT NULL UNIQUE);
CREATE TABLE word (id INTEGER PRIMARY KEY, body BLOB NOT NULL UNIQUE); -- sets of hosters, causes

CREATE TABLE prefix (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    body     BLOB    NOT NULL UNIQUE, -- family, address, length: in order
    first_at INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    n        INTEGER NOT NULL, -- changes
    since    INTEGER NOT NULL  -- of them, behind the last checkpoint, at most
);
INSERT INTO prefix (id, body, first_at, last_at, n, since) VALUES (0, x'', 9223372036854775807, -9223372036854775808, 0, 0);

-- Which AS originated (role 0) or carried (role 1) which prefix.
CREATE TABLE carried (
    role        INTEGER NOT NULL,
    asn         INTEGER NOT NULL,
    prefix      INTEGER NOT NULL,
    first_month INTEGER NOT NULL,
    last_month  INTEGER NOT NULL,
    PRIMARY KEY (role, asn, prefix)
) WITHOUT ROWID;

CREATE TABLE member (
    hoster TEXT    NOT NULL,
    prefix INTEGER NOT NULL,
    PRIMARY KEY (hoster, prefix)
) WITHOUT ROWID;
CREATE INDEX member_prefix ON member (prefix);

CREATE TABLE log_position (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE kept (name TEXT PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE record (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    kind      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    revision  INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    until     INTEGER NOT NULL, -- -9223372036854775808: none
    recorded  INTEGER NOT NULL,
    hoster    TEXT    NOT NULL,
    word      TEXT    NOT NULL,
    severity  TEXT    NOT NULL,
    incident  TEXT    NOT NULL,
    upstream  INTEGER NOT NULL,
    asn       INTEGER NOT NULL,
    collector TEXT    NOT NULL,
    body      TEXT    NOT NULL, -- JSON
    UNIQUE (kind, name, revision)
);
CREATE INDEX record_at ON record (at, id);
CREATE INDEX record_kind ON record (kind, at, id);
CREATE INDEX record_hoster ON record (hoster, at, id);
CREATE INDEX record_incident ON record (incident, at, id);

CREATE TABLE record_prefix (
    record INTEGER NOT NULL,
    place  INTEGER NOT NULL,
    body   BLOB    NOT NULL, -- as in prefix
    PRIMARY KEY (record, place)
) WITHOUT ROWID;
CREATE INDEX record_prefix_body ON record_prefix (body, record);
