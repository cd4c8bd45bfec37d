-- Of the batches that something is known of, and of the last rows of programs: a lote has rows before
-- anything is known of it. However many of either there are.
SELECT name
  FROM ((SELECT b.name, coalesce(s.imported_at, b.created_at) AS at
           FROM mutirao.batch b LEFT JOIN mutirao.source s ON s.id = b.source
          ORDER BY b.id DESC LIMIT 1000)
        UNION ALL
        SELECT o.lote, o.created_at
          FROM (SELECT lote, batch, created_at FROM mutirao.outbox ORDER BY id DESC LIMIT 1000) AS o
         WHERE o.batch IS NULL) AS known
 GROUP BY name ORDER BY max(at) DESC, name LIMIT $1
