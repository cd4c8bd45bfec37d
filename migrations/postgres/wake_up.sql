CREATE OR REPLACE FUNCTION mutirao.wake_up() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS
    $$BEGIN PERFORM pg_catalog.pg_notify('mutirao', ''); RETURN NULL; END$$;
COMMENT ON FUNCTION mutirao.wake_up() IS 'Tells the workers that rows came in; `mutirao migrate --no-notify` removes it';
CREATE TRIGGER wake_up AFTER INSERT ON mutirao.outbox EXECUTE FUNCTION mutirao.wake_up();
