CREATE TABLE mutirao.migration (
    version     bigint PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE mutirao.migration IS 'The versions of this schema, as `mutirao migrate` made them';
COMMENT ON COLUMN mutirao.migration.version IS 'Counted from 1';
COMMENT ON COLUMN mutirao.migration.applied_at IS 'When';
