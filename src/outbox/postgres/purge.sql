-- $1 batch, $2 its name; $3 rows that finished before, $4 now; $5 the row after which it goes on, $6 how many
-- rows it looks at.
--
-- A step is of rows that are seen, not of rows that are found: those that were purged before may be millions.
WITH seen AS MATERIALIZED (
    SELECT max(id) AS last FROM (SELECT id FROM mutirao.outbox WHERE $5 < id ORDER BY id LIMIT $6) s
),
due AS MATERIALIZED (
    SELECT o.id, o.record FROM mutirao.outbox o
     WHERE $5 < o.id AND o.id <= (SELECT last FROM seen) AND o.purged_at IS NULL
       AND o.finished_at < least($3, now() - ($4::timestamptz - $3)) AND o.state IN {done_with} AND {of_batch}
     ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
),
lines AS (
    UPDATE mutirao.record r
       SET cells = '[]', whole = NULL, customer = NULL, problems = CASE WHEN r.problems IS NOT NULL THEN '[]' END
      FROM due WHERE r.id = due.record
),
notes AS (
    UPDATE mutirao.attempt a SET note = '' FROM due WHERE a.row_id = due.id
),
purged AS (
    UPDATE mutirao.outbox o SET error_message = NULL, purged_at = $4, {fields}
      FROM due WHERE o.id = due.id RETURNING o.id
)
SELECT (SELECT count(*) FROM purged), (SELECT last FROM seen)
