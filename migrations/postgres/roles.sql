-- Four roles with the least that each needs, as groups: GRANT them to the roles that log in, like
--     GRANT mutirao_worker TO tickets;
--
-- Run it in the outbox's database as a role that may make roles, before the first `mutirao migrate` (which
-- mutirao_owner can run then), and again after it and after every upgrade: run again, it leaves exactly what
-- stands here.

BEGIN;

-- What runs here runs as you: nothing that somebody put into `public` may be meant.
SET LOCAL search_path = pg_catalog, pg_temp;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['mutirao_owner', 'mutirao_producer', 'mutirao_worker', 'mutirao_reader'] LOOP
        IF to_regrole(name) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END $$;

-- What runs when somebody writes to the outbox runs as that one: it must be ours.
DO $$
DECLARE
    odd text;
BEGIN
    SELECT string_agg(what, ', ' ORDER BY what) INTO odd FROM (
        SELECT 'function ' || p.oid::regprocedure FROM pg_proc p
         WHERE p.pronamespace = to_regnamespace('mutirao')
           AND (p.oid IS DISTINCT FROM to_regprocedure('mutirao.wake_up()') OR p.prosecdef
                OR btrim(p.prosrc, E' \n') <> $body$BEGIN PERFORM pg_catalog.pg_notify('mutirao', ''); RETURN NULL; END$body$)
        UNION ALL
        SELECT format('trigger %I of %s', t.tgname, c.oid::regclass) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
         WHERE c.relnamespace = to_regnamespace('mutirao') AND NOT t.tgisinternal
           AND t.tgfoid IS DISTINCT FROM to_regprocedure('mutirao.wake_up()')
        UNION ALL
        SELECT format('rule %I of %s', r.rulename, c.oid::regclass) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
         WHERE c.relnamespace = to_regnamespace('mutirao')) it(what);
    IF odd IS NOT NULL THEN
        RAISE EXCEPTION 'the schema mutirao holds what is not ours: %', odd
            USING HINT = 'see who made it and what for, drop it, then run this again';
    END IF;
END $$;

-- The owner runs `mutirao migrate`, and owns the outbox whoever made it.
CREATE SCHEMA IF NOT EXISTS mutirao;
ALTER SCHEMA mutirao OWNER TO mutirao_owner;

DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT c.oid::regclass FROM pg_class c
                 WHERE c.relnamespace = 'mutirao'::regnamespace AND c.relkind IN ('r', 'p') LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO mutirao_owner', name);
    END LOOP;
    IF to_regprocedure('mutirao.wake_up()') IS NOT NULL THEN
        ALTER FUNCTION mutirao.wake_up() OWNER TO mutirao_owner;
    END IF;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA mutirao FROM PUBLIC, mutirao_producer, mutirao_worker, mutirao_reader;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA mutirao FROM PUBLIC, mutirao_producer, mutirao_worker, mutirao_reader;
REVOKE ALL ON SCHEMA mutirao FROM PUBLIC, mutirao_producer, mutirao_worker, mutirao_reader;
GRANT USAGE ON SCHEMA mutirao TO mutirao_producer, mutirao_worker, mutirao_reader;

DO $$
BEGIN
    IF to_regclass('mutirao.outbox') IS NULL THEN
        RAISE NOTICE 'there is no outbox yet: run `mutirao migrate` as mutirao_owner, then this again';
        RETURN;
    END IF;

    -- A producer writes what it says, and reads back what became of it; not what others say of people.
    -- (`ON CONFLICT (lote, referencia)` reads these two.)
    GRANT INSERT (id_cliente_servico, descricao, nome, telefone, id_tipo_atendimento, email, abrir_os,
                  id_atendimento_status, id_usuario_responsavel, id_origem_contato, parametros,
                  parametros_ordem_servico, lote, referencia, prioridade, available_at)
        ON mutirao.outbox TO mutirao_producer;
    GRANT SELECT (id, lote, referencia, prioridade, available_at, created_at, state, protocolo, id_atendimento,
                  ids_ordem_servico, numeros_ordem_servico, attempts, error_code, error_message, warning,
                  warnings, finished_at, purged_at)
        ON mutirao.outbox TO mutirao_producer;

    -- `status`, `show`, `export`.
    GRANT SELECT ON ALL TABLES IN SCHEMA mutirao TO mutirao_reader;

    -- `worker` and every command but `migrate`. Rows and their history stay: there is no DELETE for them.
    GRANT SELECT ON ALL TABLES IN SCHEMA mutirao TO mutirao_worker;
    GRANT INSERT, UPDATE ON mutirao.outbox, mutirao.batch, mutirao.source, mutirao.meta TO mutirao_worker;
    GRANT INSERT, UPDATE (note) ON mutirao.attempt TO mutirao_worker;
    -- Of what persons had done the latest are kept.
    GRANT INSERT, DELETE ON mutirao.act TO mutirao_worker;
    GRANT UPDATE ON mutirao.pace TO mutirao_worker;
    -- Claims stand in line behind its lock; imports of a batch behind its row.
    GRANT UPDATE ON mutirao.turn TO mutirao_worker;
    GRANT INSERT, UPDATE ON mutirao.importing TO mutirao_worker;
    -- A worker leaves; a file that comes again replaces its lines; a sight is outdone.
    GRANT INSERT, UPDATE, DELETE ON mutirao.worker, mutirao.record, mutirao.sight TO mutirao_worker;
    -- Lines are numbered while they are read in, in temporary tables.
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA mutirao TO mutirao_worker;
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO mutirao_worker', current_database());
END $$;

COMMIT;
