-- The shared outbox. Programs INSERT into `mutirao.outbox` within their own transactions; workers
-- drain it. The comments below are the contract: `\d+ mutirao.outbox` shows them.

COMMENT ON SCHEMA mutirao IS 'Tickets to be opened in HubSoft, and what became of them';

CREATE TABLE mutirao.meta (
    key   text PRIMARY KEY,
    value text NOT NULL
);

COMMENT ON TABLE mutirao.meta IS 'Facts about this outbox: host (the HubSoft it belongs to), from the first send on';
COMMENT ON COLUMN mutirao.meta.key IS 'host';
COMMENT ON COLUMN mutirao.meta.value IS 'The fact';

CREATE TABLE mutirao.outbox (
    -- What indices and claims look at comes first, and of that what is of fixed width and never NULL:
    -- behind a text or a NULL, every look at a column walks over all that stand before it. What a claim and a
    -- settle write lies together: WAL has the bytes from the first that changed to the last.
    id                      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY WITH (fillfactor = 40),
    created_at              timestamptz NOT NULL DEFAULT now(),
    available_at            timestamptz NOT NULL DEFAULT now(),
    line                    bigint NOT NULL DEFAULT 0,
    prioridade              integer NOT NULL DEFAULT 0,
    gone                    boolean NOT NULL DEFAULT false,
    outdated                boolean NOT NULL DEFAULT false,
    doubt_precaution        boolean NOT NULL DEFAULT false,
    first_claim             boolean NOT NULL DEFAULT false,
    token                   bigint NOT NULL DEFAULT 0,
    attempts                integer NOT NULL DEFAULT 0,
    absences                integer NOT NULL DEFAULT 0,
    answered                integer NOT NULL DEFAULT 0,
    -- A claim to post makes the row in doubt at once, from when nobody waits for its answer any more: so
    -- whatever somebody writes into `state`, the row is looked up first. This tells that doubt from an older
    -- one.
    posting                 boolean NOT NULL DEFAULT false,
    state                   text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'in_flight', 'in_doubt', 'opened', 'invalid', 'rejected', 'failed',
                         'unconfirmed', 'conflict', 'skipped', 'cancelled')),
    -- The service as a number: 1 to 19 digits, if bigint has it. An id that is written in another way
    -- is rewritten by the first worker that reads it.
    service                 bigint GENERATED ALWAYS AS
        (CASE WHEN octet_length(id_cliente_servico) <= 19 AND id_cliente_servico ~ '^[0-9]+$'
               AND (octet_length(id_cliente_servico) < 19 OR id_cliente_servico COLLATE "C" <= '9223372036854775807')
              THEN id_cliente_servico::bigint END) STORED,
    -- Out of the way of claims, because it cannot go now. Put back by any worker when it can.
    parked                  text CHECK (parked IN ('halted', 'blocked')),
    doubt_since             timestamptz,
    worker                  bigint,
    sent_at                 timestamptz,
    claimed_at              timestamptz,
    id_atendimento          bigint,
    finished_at             timestamptz,
    doubt_hubsoft_at        timestamptz,
    last_absence            timestamptz,
    protocolo               text,
    ids_ordem_servico       bigint[],
    numeros_ordem_servico   text[],
    error_code              text,
    error_message           text,
    warning                 text,
    warnings                jsonb,
    purged_at               timestamptz,

    -- Of rows that came in a file: the batch in whose results they stand (NULL: the one that `lote`
    -- names), and the line that they stand for.
    batch                   bigint,
    record                  bigint,
    import                  bigint,
    lote                    text NOT NULL DEFAULT 'default',
    -- Not derived from `id`: a database restored from a backup counts ids again, and a marker that
    -- comes twice would take another row's ticket for its own. The time stands in front, so that new
    -- rows lie together in their index, however many old ones there are; of the microsecond, so that 48
    -- random bits are enough. It is written to WAL and index with each version of the row, so it is short.
    referencia              text NOT NULL
        DEFAULT to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint) || '-' || right(gen_random_uuid()::text, 12),

    -- What a producer says. Lenient text: validation is the worker's job and must never break a
    -- producer's transaction.
    id_cliente_servico      text NOT NULL,
    descricao               text NOT NULL,
    nome                    text NOT NULL,
    telefone                text NOT NULL,
    id_tipo_atendimento     text,
    email                   text,
    abrir_os                text,
    id_atendimento_status   text,
    id_usuario_responsavel  text,
    id_origem_contato       text,
    parametros              jsonb,
    parametros_ordem_servico jsonb,
    repeat_key              bytea,

    CHECK (doubt_since IS NOT NULL OR (state <> 'unconfirmed' AND state <> 'in_doubt')),
    CHECK (protocolo IS NOT NULL OR state <> 'opened'),
    CHECK ((sent_at IS NOT NULL AND claimed_at IS NOT NULL AND worker IS NOT NULL) OR state <> 'in_flight')
)
-- A row is written anew twice, soon after it came in: by its claim and by its settle. With room for that on
-- the page it stands on, WAL has the change and not the row (measured: a third less WAL); and with room in
-- the two indices that every row stands in, they need not be searched for dead entries again and again
-- (measured: a tenth of what a ticket costs the database).
WITH (fillfactor = 45);

COMMENT ON TABLE mutirao.outbox IS 'One row, one ticket to be opened. INSERT rows within your own transactions; read back state, protocolo and what stands beside them';
COMMENT ON COLUMN mutirao.outbox.id IS 'The row, as every command and log names it';
COMMENT ON COLUMN mutirao.outbox.id_cliente_servico IS 'INSERT: the service in HubSoft (not codigo_cliente)';
COMMENT ON COLUMN mutirao.outbox.descricao IS 'INSERT: what the ticket says; a marker of 19 characters is put behind it';
COMMENT ON COLUMN mutirao.outbox.nome IS 'INSERT: who asks';
COMMENT ON COLUMN mutirao.outbox.telefone IS 'INSERT: phone of who asks, with its area code';
COMMENT ON COLUMN mutirao.outbox.id_tipo_atendimento IS 'INSERT, optional: the type of ticket';
COMMENT ON COLUMN mutirao.outbox.email IS 'INSERT, optional: e-mail of who asks';
COMMENT ON COLUMN mutirao.outbox.abrir_os IS 'INSERT, optional: whether a service order (a visit) is opened too';
COMMENT ON COLUMN mutirao.outbox.id_atendimento_status IS 'INSERT, optional: the status to open with';
COMMENT ON COLUMN mutirao.outbox.id_usuario_responsavel IS 'INSERT, optional: the user to hand it to';
COMMENT ON COLUMN mutirao.outbox.id_origem_contato IS 'INSERT, optional: how the customer got in touch';
COMMENT ON COLUMN mutirao.outbox.parametros IS 'INSERT, optional: one object, passed on as it is';
COMMENT ON COLUMN mutirao.outbox.parametros_ordem_servico IS 'INSERT, optional: one object for the service order, passed on as it is';
COMMENT ON COLUMN mutirao.outbox.lote IS 'INSERT, optional: the batch, by which commands speak of rows';
COMMENT ON COLUMN mutirao.outbox.referencia IS 'INSERT, optional: your own id of the ticket, unique within its lote; a second INSERT of it is refused';
COMMENT ON COLUMN mutirao.outbox.prioridade IS 'INSERT, optional: lower numbers go first';
COMMENT ON COLUMN mutirao.outbox.available_at IS 'INSERT, optional: not before; later, when the row is due again';
COMMENT ON COLUMN mutirao.outbox.created_at IS 'When the row came in';
COMMENT ON COLUMN mutirao.outbox.state IS 'READ: pending, in_flight, in_doubt, opened, invalid, rejected, failed, unconfirmed, conflict, skipped or cancelled';
COMMENT ON COLUMN mutirao.outbox.protocolo IS 'READ: of the ticket, once opened (skipped: of the ticket that was open already)';
COMMENT ON COLUMN mutirao.outbox.id_atendimento IS 'READ: id of the ticket';
COMMENT ON COLUMN mutirao.outbox.ids_ordem_servico IS 'READ: ids of its service orders';
COMMENT ON COLUMN mutirao.outbox.numeros_ordem_servico IS 'READ: their numbers';
COMMENT ON COLUMN mutirao.outbox.attempts IS 'READ: outcomes that counted';
COMMENT ON COLUMN mutirao.outbox.error_code IS 'READ: a stable code of what went wrong';
COMMENT ON COLUMN mutirao.outbox.error_message IS 'READ: the same in words';
COMMENT ON COLUMN mutirao.outbox.warning IS 'READ: what a person should know although the ticket was opened';
COMMENT ON COLUMN mutirao.outbox.warnings IS 'READ: the same, as a list of stable codes with what is known of each';
COMMENT ON COLUMN mutirao.outbox.finished_at IS 'READ: when the row left for a state that is final';
COMMENT ON COLUMN mutirao.outbox.purged_at IS 'READ: when `mutirao purge` took what it says of people';
COMMENT ON COLUMN mutirao.outbox.service IS 'Engine: id_cliente_servico as a number';
COMMENT ON COLUMN mutirao.outbox.token IS 'Engine: raised by every claim; a settle under an older one is stale';
COMMENT ON COLUMN mutirao.outbox.worker IS 'Engine: who claimed it last';
COMMENT ON COLUMN mutirao.outbox.sent_at IS 'Engine: the first claim that may have been sent';
COMMENT ON COLUMN mutirao.outbox.first_claim IS 'Engine: whether the running claim is the first that may send';
COMMENT ON COLUMN mutirao.outbox.claimed_at IS 'Engine: the last claim, unless it was taken back unsent';
COMMENT ON COLUMN mutirao.outbox.posting IS 'Engine: the last claim was to post: until it is settled, doubt_since is of that claim';
COMMENT ON COLUMN mutirao.outbox.parked IS 'Engine: put aside, because its lote was halted or a row of its service was live; put back when it can go';
COMMENT ON COLUMN mutirao.outbox.doubt_since IS 'Engine: a ticket may exist that nobody has proof of; since when nobody waits for the answer. Beside a ticket it counts once another state is written';
COMMENT ON COLUMN mutirao.outbox.doubt_hubsoft_at IS 'Engine: what the clock of HubSoft showed at doubt_since, or later';
COMMENT ON COLUMN mutirao.outbox.doubt_precaution IS 'Engine: the doubt is only a precaution; one look-up that finds nothing ends it';
COMMENT ON COLUMN mutirao.outbox.absences IS 'Engine: look-ups in a row that found nothing';
COMMENT ON COLUMN mutirao.outbox.last_absence IS 'Engine: when the last of them came';
COMMENT ON COLUMN mutirao.outbox.answered IS 'Engine: look-ups that HubSoft answered';
COMMENT ON COLUMN mutirao.outbox.batch IS 'Of a row that came in a file: the batch in whose results it stands; NULL: the one that lote names';
COMMENT ON COLUMN mutirao.outbox.record IS 'Engine: its line in mutirao.record, if it came in a file';
COMMENT ON COLUMN mutirao.outbox.line IS 'Engine: the line of its file; 0: it came from a program';
COMMENT ON COLUMN mutirao.outbox.import IS 'Engine: the last file that had it';
COMMENT ON COLUMN mutirao.outbox.gone IS 'Engine: its file no longer has it; it is not posted';
COMMENT ON COLUMN mutirao.outbox.outdated IS 'Engine: a file says something else of it, and what it says was sent, or may have been';
COMMENT ON COLUMN mutirao.outbox.repeat_key IS 'Engine: equal for rows that ask for the same ticket';

-- A reference is unique within its lote: the same ticket handed in twice is refused at the door.
CREATE UNIQUE INDEX outbox_reference ON mutirao.outbox (lote, referencia) WITH (fillfactor = 40);

-- One ticket belongs to one row; a `skipped` row names a ticket that it does not own.
CREATE UNIQUE INDEX outbox_ticket ON mutirao.outbox (id_atendimento)
    WHERE id_atendimento IS NOT NULL AND state = 'opened';

-- To post, in the order of claims.
CREATE INDEX outbox_due ON mutirao.outbox (prioridade, available_at, id)
    WHERE doubt_since IS NULL AND state = 'pending' AND NOT gone AND parked IS NULL;

-- Put aside: by lote and batch, and by service. Empty, and no cost, while nothing is.
CREATE INDEX outbox_halted ON mutirao.outbox (lote, coalesce(batch, 0), prioridade, available_at, id)
    WHERE doubt_since IS NULL AND state = 'pending' AND NOT gone AND parked = 'halted';
CREATE INDEX outbox_halted_import ON mutirao.outbox (import)
    WHERE doubt_since IS NULL AND state = 'pending' AND NOT gone AND parked = 'halted';
CREATE INDEX outbox_blocked ON mutirao.outbox (service, prioridade, available_at, id)
    WHERE doubt_since IS NULL AND state = 'pending' AND NOT gone AND parked = 'blocked';

-- To look up.
CREATE INDEX outbox_doubt ON mutirao.outbox (prioridade, available_at, id)
    WHERE state IN ('pending', 'in_doubt') AND doubt_since IS NOT NULL;

-- Possibly sent and unsettled: no other row of the service may be posted.
CREATE INDEX outbox_live ON mutirao.outbox (service, state)
    WHERE state IN ('in_flight', 'in_doubt', 'unconfirmed')
       OR (state = 'pending' AND doubt_since IS NOT NULL AND NOT doubt_precaution);

-- The place of rows that came in a file.
CREATE UNIQUE INDEX outbox_place ON mutirao.outbox (batch, record) WHERE record IS NOT NULL;

-- What was settled lately. A summary of pages and no entry of rows: those lie in the order in which they came
-- in, which is about that in which they are settled.
CREATE INDEX outbox_finished ON mutirao.outbox USING brin (finished_at) WITH (autosummarize = on)
    WHERE finished_at IS NOT NULL;

-- What look-ups have been seen to see: until a day later an absence of a text as long can be believed.
CREATE TABLE mutirao.sight (
    who     text NOT NULL,
    length  bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (who, length)
);

COMMENT ON TABLE mutirao.sight IS 'Tickets of ours that look-ups gave back, marker and all: whose absences can be believed';
COMMENT ON COLUMN mutirao.sight.who IS 'The user of HubSoft and its host, as a hash';
COMMENT ON COLUMN mutirao.sight.length IS 'Of the text, in characters';
COMMENT ON COLUMN mutirao.sight.seen_at IS 'When';

-- One post or look-up that was not a plain success.
CREATE TABLE mutirao.attempt (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    row_id      bigint NOT NULL REFERENCES mutirao.outbox ON DELETE CASCADE,
    at          timestamptz NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('post', 'look_up', 'word')),
    verdict     text NOT NULL,
    http_status integer,
    latency_ms  bigint NOT NULL,
    note        text NOT NULL
);

COMMENT ON TABLE mutirao.attempt IS 'Every post and look-up that was not a plain success, and every word of a person (resolve)';
COMMENT ON COLUMN mutirao.attempt.id IS 'In the order in which they were written';
COMMENT ON COLUMN mutirao.attempt.row_id IS 'The row';
COMMENT ON COLUMN mutirao.attempt.at IS 'When it was made';
COMMENT ON COLUMN mutirao.attempt.kind IS 'post, look_up or word';
COMMENT ON COLUMN mutirao.attempt.verdict IS 'What the answer proves';
COMMENT ON COLUMN mutirao.attempt.http_status IS 'Of the answer, if there was one';
COMMENT ON COLUMN mutirao.attempt.latency_ms IS 'Milliseconds until the end of the answer';
COMMENT ON COLUMN mutirao.attempt.note IS 'What is known beyond that, capped, without secrets or personal data';

-- What a person had done. The latest of each lote are kept.
CREATE TABLE mutirao.act (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch       text,
    at          timestamptz NOT NULL,
    who         text NOT NULL,
    way         text NOT NULL CHECK (way IN ('terminal', 'page')),
    deed        text NOT NULL,
    n_rows      bigint NOT NULL
);

COMMENT ON TABLE mutirao.act IS 'What persons had done with a lote, or with all of the outbox: the latest of each';
COMMENT ON COLUMN mutirao.act.id IS 'In the order in which they were written';
COMMENT ON COLUMN mutirao.act.batch IS 'The lote; null: all of the outbox';
COMMENT ON COLUMN mutirao.act.at IS 'When';
COMMENT ON COLUMN mutirao.act.who IS 'The user of the page, or of the system at the terminal';
COMMENT ON COLUMN mutirao.act.way IS 'terminal or page';
COMMENT ON COLUMN mutirao.act.deed IS 'import, stop, pause_import, dismiss, retry, resolve, cancel, pause or resume';
COMMENT ON COLUMN mutirao.act.n_rows IS 'Rows that it was about';

CREATE INDEX act_batch ON mutirao.act (batch, id);

CREATE INDEX attempt_row ON mutirao.attempt (row_id);

-- What is known of a lote besides its rows. Made when a command or a worker has something to say of it:
-- before its first row is claimed at the latest.
CREATE TABLE mutirao.batch (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    -- What its markers are made with: random, so that none comes twice.
    key         text NOT NULL DEFAULT replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
    -- By which its rows are known again in our files: random, spelled by `delivery::code`.
    code        integer NOT NULL UNIQUE DEFAULT floor(random() * 268435456)::integer,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- Of its last complete import.
    finished_at timestamptz,
    summary     text,
    -- The last whole file: results are in its order, under its headers.
    source      bigint,
    -- Halted: nothing of it is posted until `mutirao resume LOTE` or `retry`.
    halted_at   timestamptz,
    halt_reason text,
    halt_cause  jsonb,
    -- Whoever ran them was told of this halt, and wanted their rows opened all the same.
    passed_by   bigint[] NOT NULL DEFAULT '{}'
);

CREATE INDEX batch_halted ON mutirao.batch (name) WHERE halted_at IS NOT NULL;

COMMENT ON TABLE mutirao.batch IS 'What is known of a lote besides its rows';
COMMENT ON COLUMN mutirao.batch.id IS 'The lote as a number';
COMMENT ON COLUMN mutirao.batch.name IS 'The lote';
COMMENT ON COLUMN mutirao.batch.key IS 'What its markers are made with: made once, and never shown or copied to another outbox that lives';
COMMENT ON COLUMN mutirao.batch.code IS 'By which its rows are known again in our files; spelled there in letters';
COMMENT ON COLUMN mutirao.batch.created_at IS 'When it was first spoken of';
COMMENT ON COLUMN mutirao.batch.finished_at IS 'When its last complete import ended';
COMMENT ON COLUMN mutirao.batch.summary IS 'Of that import, as JSON';
COMMENT ON COLUMN mutirao.batch.source IS 'The last whole file: results are in its order, under its headers';
COMMENT ON COLUMN mutirao.batch.halted_at IS 'Since when nothing of it is posted';
COMMENT ON COLUMN mutirao.batch.halt_reason IS 'Why, in words';
COMMENT ON COLUMN mutirao.batch.halt_cause IS 'The same as a code, with what is known of it in params; NULL: there are words only';
COMMENT ON COLUMN mutirao.batch.passed_by IS 'Imports whose rows are posted though it is halted';

-- One imported file. A `correction` updates rows of a batch and leaves them at their place.
CREATE TABLE mutirao.source (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch       bigint NOT NULL REFERENCES mutirao.batch,
    kind        text NOT NULL CHECK (kind IN ('whole', 'correction')),
    file_name   text NOT NULL,
    sha256      text NOT NULL,
    content     text NOT NULL,
    encoding    text NOT NULL,
    delimiter   text NOT NULL,
    headers     text NOT NULL,
    n_rows      bigint NOT NULL,
    imported_at timestamptz NOT NULL,
    folder      text,
    excel_safe  boolean NOT NULL DEFAULT false
);

COMMENT ON TABLE mutirao.source IS 'One imported file';
COMMENT ON COLUMN mutirao.source.id IS 'The import';
COMMENT ON COLUMN mutirao.source.batch IS 'The lote that its rows belong to';
COMMENT ON COLUMN mutirao.source.kind IS 'whole: the file of its lote; correction: rows of it, updated in place';
COMMENT ON COLUMN mutirao.source.file_name IS 'As it was given';
COMMENT ON COLUMN mutirao.source.sha256 IS 'Of its bytes, in hexadecimal';
COMMENT ON COLUMN mutirao.source.content IS 'Of its cells, in hexadecimal: the same after a spreadsheet saved it again';
COMMENT ON COLUMN mutirao.source.encoding IS 'As it was read';
COMMENT ON COLUMN mutirao.source.delimiter IS 'As it was read';
COMMENT ON COLUMN mutirao.source.headers IS 'Its own columns, as JSON';
COMMENT ON COLUMN mutirao.source.n_rows IS 'Its lines without the header';
COMMENT ON COLUMN mutirao.source.imported_at IS 'When';
COMMENT ON COLUMN mutirao.source.folder IS 'Where its results were written, on the machine that imported it; null: nowhere';
COMMENT ON COLUMN mutirao.source.excel_safe IS 'Whether cells that a spreadsheet runs were guarded there';

-- One line of a file. `id` grows in input order, within a source and from one to the next.
CREATE TABLE mutirao.record (
    id          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    source      bigint NOT NULL,
    line        bigint NOT NULL,
    -- A JSON list of texts. Not `jsonb`, which holds no NUL.
    cells       text NOT NULL,
    problems    text,
    whole       text,
    customer    text
);

CREATE INDEX record_corrected ON mutirao.record (id) WHERE whole IS NOT NULL;

COMMENT ON TABLE mutirao.record IS 'One line of an imported file';
COMMENT ON COLUMN mutirao.record.id IS 'Grows in input order, within a source and from one to the next';
COMMENT ON COLUMN mutirao.record.source IS 'The file';
COMMENT ON COLUMN mutirao.record.line IS 'The physical line at which it starts, the header being 1';
COMMENT ON COLUMN mutirao.record.cells IS 'Its cells, as JSON';
COMMENT ON COLUMN mutirao.record.problems IS 'Why it is invalid, as JSON';
COMMENT ON COLUMN mutirao.record.customer IS 'Whose service was to be found, where it names a customer in place of a service: a hash';
COMMENT ON COLUMN mutirao.record.whole IS 'What the last whole file said of its row, as JSON, where a correction says something else since';

-- Who works on this outbox. A worker whose lease has run out is dead: its rows in flight may have
-- been sent, and are looked up by the others.
CREATE TABLE mutirao.worker (
    -- By chance: a standby that took over without the last commits would count on from an older number, and
    -- give a new worker that of one who lives.
    id          bigint PRIMARY KEY DEFAULT hashtextextended(gen_random_uuid()::text, 0),
    name        text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL,
    -- How long it lasts when it is renewed.
    lease_s     double precision NOT NULL DEFAULT 60 CHECK (0 < lease_s AND lease_s < 'infinity'),
    n_renewals  integer NOT NULL DEFAULT 0,
    -- Its ceiling in requests a second; NULL: unlimited. The lowest of all living workers rules.
    rate        double precision CHECK (0 < rate AND rate < 'infinity'),
    -- How many of its requests may wait for an answer at once, as it found out of late; NULL: not yet told.
    at_once     integer CHECK (0 < at_once),
    -- How long it waits for HubSoft's answer. Past its lease too: it may only be cut off from here.
    timeout_s   double precision NOT NULL CHECK (0 <= timeout_s AND timeout_s < 'infinity'),
    -- Another one has taken over, perhaps without the last commits: nobody claims before each has said again
    -- what it did last.
    server_started timestamptz NOT NULL DEFAULT pg_postmaster_start_time()
);

COMMENT ON TABLE mutirao.worker IS 'Who works on this outbox now';
COMMENT ON COLUMN mutirao.worker.id IS 'The worker';
COMMENT ON COLUMN mutirao.worker.name IS 'Host and process, for people';
COMMENT ON COLUMN mutirao.worker.started_at IS 'When it came';
COMMENT ON COLUMN mutirao.worker.lease_until IS 'Until then its claims are its own; past it, it is dead';
COMMENT ON COLUMN mutirao.worker.lease_s IS 'How long its lease lasts when it is renewed, in seconds';
COMMENT ON COLUMN mutirao.worker.n_renewals IS 'Renewals in time, one after another; with enough of them it may rescue the rows of the dead';
COMMENT ON COLUMN mutirao.worker.rate IS 'Its ceiling in requests a second; NULL: unlimited. The lowest of all living workers rules';
COMMENT ON COLUMN mutirao.worker.at_once IS 'How many of its requests may wait for an answer at once, as it told when its lease was renewed last; NULL: not yet';
COMMENT ON COLUMN mutirao.worker.server_started IS 'The server that it has told what it did last, by when that was started';
COMMENT ON COLUMN mutirao.worker.timeout_s IS 'How long it waits for an answer of HubSoft, in seconds';

-- Claims of all workers stand in line behind the lock of this table. It has no rows; who may UPDATE it may
-- stand in line.
CREATE TABLE mutirao.turn ();

COMMENT ON TABLE mutirao.turn IS 'No rows: claims of all workers stand in line behind its lock';

-- Imports of a batch take turns by its row here. Who may write to the table may keep them waiting.
CREATE TABLE mutirao.importing (
    batch       text PRIMARY KEY
);

COMMENT ON TABLE mutirao.importing IS 'Imports of a batch take turns by its row here, and not by that in mutirao.batch, which workers write meanwhile';
COMMENT ON COLUMN mutirao.importing.batch IS 'The lote; an empty one is the last turn of an import before its commit';

-- What all workers know together, in one row: the next slot, throttle and pause, and the breaker. Times are
-- the database's.
CREATE TABLE mutirao.pace (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- The next slot that nobody has taken.
    next_slot_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- By when the logins so far have used up their time.
    next_login_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- HubSoft asked for fewer requests.
    throttled_until timestamptz,
    throttle_reason text,
    throttle_cause jsonb,
    n_throttles   bigint NOT NULL DEFAULT 0,
    -- HubSoft refused one of too many, and what it was found to bear by that.
    lowered_at    timestamptz,
    lowered_by    bigint,
    lowered_pause interval,
    lowered_rate  double precision,
    n_taken       bigint NOT NULL DEFAULT 0,
    -- By it a clock that was set back is noticed.
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- A person paused all, by `mutirao pause`, or a worker to which a marker did not come back.
    paused_at     timestamptz,
    pause_reason  text,
    pause_cause   jsonb,
    breaker       text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'trial')),
    -- When the next probe, or the next trial, may be taken by anybody.
    breaker_at    timestamptz,
    -- Who probes or tries now.
    breaker_worker bigint,
    n_probes      integer NOT NULL DEFAULT 0
);

COMMENT ON TABLE mutirao.pace IS 'What all workers know together, in one row';
COMMENT ON COLUMN mutirao.pace.one IS 'There is one row';
COMMENT ON COLUMN mutirao.pace.next_slot_at IS 'The next slot that nobody has taken';
COMMENT ON COLUMN mutirao.pace.next_login_at IS 'By when the logins so far have used up their time: nine at once, then one each four seconds';
COMMENT ON COLUMN mutirao.pace.throttled_until IS 'HubSoft asked for fewer requests: nothing is sent until then';
COMMENT ON COLUMN mutirao.pace.throttle_reason IS 'Why, in words';
COMMENT ON COLUMN mutirao.pace.throttle_cause IS 'The same as a code, with what is known of it in params; NULL: there are words only';
COMMENT ON COLUMN mutirao.pace.n_throttles IS 'The number of that throttle';
COMMENT ON COLUMN mutirao.pace.lowered_at IS 'When HubSoft last refused one of too many, for ten minutes; NULL: it did not';
COMMENT ON COLUMN mutirao.pace.lowered_by IS 'The number of the throttle that came with it';
COMMENT ON COLUMN mutirao.pace.lowered_pause IS 'How long that was to last';
COMMENT ON COLUMN mutirao.pace.lowered_rate IS 'Requests a second of all workers that it was found to bear by that, before they are raised again; NULL: that did not show';
COMMENT ON COLUMN mutirao.pace.n_taken IS 'Slots that all workers took since, as far as they have told';
COMMENT ON COLUMN mutirao.pace.seen_at IS 'What the clock showed when this row was written: a clock that was set back takes all times here with it';
COMMENT ON COLUMN mutirao.pace.paused_at IS 'Since when all are paused, by a person or by a lost marker';
COMMENT ON COLUMN mutirao.pace.pause_reason IS 'Why, in words';
COMMENT ON COLUMN mutirao.pace.pause_cause IS 'The same as a code, with what is known of it in params; NULL: a person typed the words';
COMMENT ON COLUMN mutirao.pace.breaker IS 'closed, open or trial';
COMMENT ON COLUMN mutirao.pace.breaker_at IS 'When the next probe or trial may be taken';
COMMENT ON COLUMN mutirao.pace.breaker_worker IS 'Who probes or tries now';
COMMENT ON COLUMN mutirao.pace.n_probes IS 'Probes since it opened';

INSERT INTO mutirao.pace DEFAULT VALUES;
