-- The embedded outbox. Times are integer milliseconds UTC; lists and fields are JSON text.
--
-- What a file says (`record`) stands apart from what became of it (`outbox`): records are written
-- once, in order; the narrow rows beside them are what claims and settles rewrite.

-- `host`, from the first send on; `clock`, how the clocks stood when it was last opened to be written.
CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE batch (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    -- What its markers are made with: random, so that none comes twice. In hexadecimal.
    key         TEXT NOT NULL DEFAULT (lower(hex(randomblob(16)))),
    -- By which its rows are known again in our files: random, spelled by `delivery::code`.
    code        INTEGER NOT NULL UNIQUE DEFAULT (random() & 268435455),
    created_at  INTEGER NOT NULL,
    -- Of its last complete run.
    finished_at INTEGER,
    summary     TEXT,
    -- The last whole file: results are in its order, under its headers.
    source      INTEGER,
    -- Halted by a worker: nothing of it is posted until `mutirao retry`, or until it is imported again.
    halted_at   INTEGER,
    halt_reason TEXT,
    -- Its code and what is known of it, as JSON; NULL: there are words only.
    halt_cause  TEXT
) STRICT;

-- One imported file. A `correction` updates rows of a batch and leaves them at their place.
CREATE TABLE source (
    id          INTEGER PRIMARY KEY,
    batch       INTEGER NOT NULL REFERENCES batch,
    kind        TEXT NOT NULL CHECK (kind IN ('whole', 'correction')),
    file_name   TEXT NOT NULL,
    -- Of its bytes; of its cells, which are the same after a spreadsheet saved it again.
    sha256      TEXT NOT NULL,
    content     TEXT NOT NULL,
    encoding    TEXT NOT NULL,
    delimiter   TEXT NOT NULL,
    headers     TEXT NOT NULL,
    n_rows      INTEGER NOT NULL,
    imported_at INTEGER NOT NULL,
    -- Where its results were written, if they were, and whether cells that a spreadsheet runs were guarded.
    folder      TEXT,
    excel_safe  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- One line of a file. `id` grows in input order, within a source and from one to the next.
CREATE TABLE record (
    id          INTEGER PRIMARY KEY,
    source      INTEGER NOT NULL,
    line        INTEGER NOT NULL,
    content_key TEXT NOT NULL,
    -- The code of the batch that the line names, if it is one of ours.
    code        INTEGER,
    referencia  TEXT,
    service     INTEGER,
    -- Whose service was to be found, where the line names a customer in place of it: a hash.
    customer    TEXT,
    repeat_key  BLOB,
    fields      TEXT NOT NULL,
    cells       TEXT NOT NULL,
    problems    TEXT,
    warning     TEXT,
    -- What the last whole file said, as `fields`, where a correction says something else since.
    whole       TEXT
) STRICT;

CREATE INDEX record_corrected ON record (id) WHERE whole IS NOT NULL;

CREATE TABLE outbox (
    id               INTEGER PRIMARY KEY,
    batch            INTEGER NOT NULL REFERENCES batch,
    -- The batch whose name goes into the marker; another than `batch` for a row from elsewhere.
    lote             INTEGER NOT NULL REFERENCES batch,
    referencia       TEXT NOT NULL,
    -- Its place: the line of a file that it stands for in the results.
    record           INTEGER NOT NULL,
    line             INTEGER NOT NULL,
    -- The last file it stood in, and whether the batch's file no longer has it.
    import           INTEGER NOT NULL,
    gone             INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
    -- A file says something else of it, and what it says was sent, or may have been.
    outdated         INTEGER NOT NULL DEFAULT 0 CHECK (outdated IN (0, 1)),
    service          INTEGER,
    repeat_key       BLOB,
    priority         INTEGER NOT NULL DEFAULT 0,
    available_at     INTEGER NOT NULL,
    -- Not IN (...): SQLite would build that list anew for every row it writes (measured: a third of
    -- a claim).
    state            TEXT NOT NULL CHECK (state = 'pending' OR state = 'in_flight' OR state = 'opened' OR state = 'in_doubt'
                         OR state = 'invalid' OR state = 'rejected' OR state = 'failed'
                         OR state = 'unconfirmed' OR state = 'conflict' OR state = 'skipped' OR state = 'cancelled'),
    -- The fence: raised by every claim, never lowered.
    token            INTEGER NOT NULL DEFAULT 0,
    attempts         INTEGER NOT NULL DEFAULT 0,
    -- When the earliest post that may have left something was claimed. Only a release clears it, of
    -- the very claim that set it (`first_claim`).
    sent_at          INTEGER,
    first_claim      INTEGER NOT NULL DEFAULT 0,
    claimed_at       INTEGER,
    -- A claim to post makes the row in doubt at once: so whatever somebody writes into `state`, the row is
    -- looked up first. This tells that doubt from an older one.
    posting          INTEGER NOT NULL DEFAULT 0,
    doubt_since      INTEGER,
    doubt_hubsoft_at INTEGER,
    doubt_precaution INTEGER NOT NULL DEFAULT 0,
    absences         INTEGER NOT NULL DEFAULT 0,
    last_absence     INTEGER,
    answered         INTEGER NOT NULL DEFAULT 0,
    protocolo        TEXT,
    id_atendimento   INTEGER,
    ids_os           TEXT,
    numeros_os       TEXT,
    error_code       TEXT,
    error_message    TEXT,
    warning          TEXT,
    -- The same as JSON: a list of codes, with what is known of each, and its words.
    warnings         TEXT,
    finished_at      INTEGER,
    -- When `mutirao purge` took what the row says of people.
    purged_at        INTEGER,
    -- NULL is seen at once, where a text is compared letter by letter: that comes first.
    CHECK (doubt_since IS NOT NULL OR (state <> 'unconfirmed' AND state <> 'in_doubt')),
    CHECK (protocolo IS NOT NULL OR state <> 'opened'),
    CHECK ((sent_at IS NOT NULL AND claimed_at IS NOT NULL) OR state <> 'in_flight')
) STRICT;

-- The unique index on (lote, referencia) is made after the first load: references are random, and
-- keeping it sorted row by row would rewrite it all over. See merge.rs.

CREATE UNIQUE INDEX outbox_record ON outbox (record);

-- One ticket belongs to one row; a `skipped` row names a ticket that it does not own.
CREATE UNIQUE INDEX outbox_ticket ON outbox (id_atendimento)
    WHERE id_atendimento IS NOT NULL AND state = 'opened';

-- To post, in the order of claims. The columns behind `id` let a claim pass over rows unread.
CREATE INDEX outbox_due ON outbox (priority, available_at, id, service, import, gone, record)
    WHERE doubt_since IS NULL AND state = 'pending';

-- To look up.
CREATE INDEX outbox_doubt ON outbox (priority, available_at, id)
    WHERE state IN ('pending', 'in_doubt') AND doubt_since IS NOT NULL;

-- Possibly sent and unsettled: no other row of the service may be posted.
-- Again not IN (...), of more than two.
CREATE INDEX outbox_live ON outbox (service, state)
    WHERE state = 'in_flight' OR state = 'in_doubt' OR state = 'unconfirmed'
       OR (state = 'pending' AND doubt_since IS NOT NULL AND doubt_precaution = 0);

-- A look-up by this user of HubSoft gave back a ticket of ours, its marker recognised, in a text of so many
-- characters: until a day later an absence of a text as long can be believed. None that another outdoes.
CREATE TABLE sight (
    who     TEXT NOT NULL,
    length  INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (who, length)
) STRICT, WITHOUT ROWID;

-- What a person had done with a batch (its name; NULL: with all of the outbox). The latest of each are kept.
CREATE TABLE act (
    id     INTEGER PRIMARY KEY,
    batch  TEXT,
    at     INTEGER NOT NULL,
    who    TEXT NOT NULL,
    way    TEXT NOT NULL CHECK (way IN ('terminal', 'page')),
    deed   TEXT NOT NULL,
    n_rows INTEGER NOT NULL
) STRICT;

CREATE INDEX act_batch ON act (batch, id);

-- One post or look-up that was not a plain success, or a person's word.
CREATE TABLE attempt (
    id          INTEGER PRIMARY KEY,
    row         INTEGER NOT NULL REFERENCES outbox,
    at          INTEGER NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('post', 'look_up', 'word')),
    verdict     TEXT NOT NULL,
    http_status INTEGER,
    latency_ms  INTEGER NOT NULL,
    note        TEXT NOT NULL
) STRICT;

CREATE INDEX attempt_row ON attempt (row);
