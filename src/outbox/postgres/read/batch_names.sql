-- From one lote to the next by the index, whatever lies between.
WITH RECURSIVE lotes(lote) AS (
    (SELECT lote FROM mutirao.outbox ORDER BY lote LIMIT 1)
    UNION ALL
    SELECT (SELECT o.lote FROM mutirao.outbox o WHERE lotes.lote < o.lote ORDER BY o.lote LIMIT 1)
      FROM lotes WHERE lotes.lote IS NOT NULL
),
named AS (
    SELECT name FROM mutirao.batch WHERE source IS NOT NULL
)
SELECT name FROM named
UNION
SELECT lote FROM lotes
 WHERE lote NOT IN (SELECT name FROM named)
   AND EXISTS (SELECT FROM mutirao.outbox o WHERE o.lote = lotes.lote AND o.batch IS NULL)
 ORDER BY 1 LIMIT $1
