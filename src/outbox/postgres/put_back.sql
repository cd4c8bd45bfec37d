-- $1 an import whose rows are posted though they are halted and $2 the last of them, or NULL; $3 the lote and
-- $4 the batch, and $5 the service, after which it goes on: from one to the next, and not from row to row.
WITH RECURSIVE lotes AS (
    (SELECT o.lote, coalesce(o.batch, 0) AS batch, 1 AS nth FROM mutirao.outbox o
      WHERE {waits} AND o.parked = 'halted' AND (o.lote, coalesce(o.batch, 0)) > ($3, $4)
      ORDER BY o.lote, coalesce(o.batch, 0) LIMIT 1)
    UNION ALL
    SELECT n.lote, n.batch, p.nth + 1 FROM lotes p CROSS JOIN LATERAL (
        SELECT o.lote, coalesce(o.batch, 0) AS batch FROM mutirao.outbox o
         WHERE {waits} AND o.parked = 'halted' AND (o.lote, coalesce(o.batch, 0)) > (p.lote, p.batch)
         ORDER BY o.lote, coalesce(o.batch, 0) LIMIT 1) n WHERE p.nth < {walk}
),
services AS (
    (SELECT o.service, o.id, 1 AS nth FROM mutirao.outbox o
      WHERE {waits} AND o.parked = 'blocked' AND o.service > $5
      ORDER BY o.service, o.prioridade, o.available_at, o.id LIMIT 1)
    UNION ALL
    SELECT n.service, n.id, p.nth + 1 FROM services p CROSS JOIN LATERAL (
        SELECT o.service, o.id FROM mutirao.outbox o
         WHERE {waits} AND o.parked = 'blocked' AND o.service > p.service
         ORDER BY o.service, o.prioridade, o.available_at, o.id LIMIT 1) n WHERE p.nth < {walk}
),
back AS (
    (SELECT o.id FROM mutirao.outbox o
      WHERE {waits} AND o.parked = 'halted' {but}
        AND o.import = ANY (ARRAY(SELECT unnest(passed_by) FROM mutirao.batch WHERE halted_at IS NOT NULL) || $1)
        AND (o.import = $1 AND coalesce(o.record, 0) <= $2 OR {not_halted})
      LIMIT {rows})
    UNION
    (SELECT r.id FROM lotes h CROSS JOIN LATERAL (
        SELECT o.id, o.lote, o.batch FROM mutirao.outbox o
         WHERE {waits} AND o.parked = 'halted' AND o.lote = h.lote AND coalesce(o.batch, 0) = h.batch {but}
         ORDER BY o.prioridade, o.available_at, o.id LIMIT {rows}) r
      WHERE NOT EXISTS (SELECT FROM mutirao.batch b
                         WHERE b.halted_at IS NOT NULL AND (b.name = h.lote OR b.id = h.batch))
      LIMIT {rows})
    UNION ALL
    (SELECT s.id FROM services s
      WHERE NOT EXISTS (SELECT FROM mutirao.outbox l WHERE l.service = s.service AND {live} OFFSET 0)
      LIMIT {rows})
),
ours AS MATERIALIZED (
    SELECT o.id FROM back b JOIN mutirao.outbox o ON o.id = b.id
     WHERE (o.state = {pending} AND o.parked IS NOT NULL) IS TRUE {but} FOR UPDATE OF o SKIP LOCKED
)
SELECT ARRAY(SELECT id FROM ours), l.lote, l.batch, s.service
  FROM (SELECT max(lote) FILTER (WHERE nth = {walk}) AS lote, max(batch) FILTER (WHERE nth = {walk}) AS batch
          FROM lotes) l,
       (SELECT max(service) FILTER (WHERE nth = {walk}) AS service FROM services) s
