WITH kept AS (
    SELECT unsettled.*, nextval('mutirao.record_id_seq') AS record
      FROM (SELECT o.id, r.id AS old_record, r.line, {cells} AS cells, r.problems, r.whole, r.customer
              FROM mutirao.outbox o JOIN mutirao.record r ON r.id = o.record
             WHERE o.batch = $1 AND o.gone AND {unsettled} {reach} ORDER BY r.id) AS unsettled
),
written AS (
    INSERT INTO mutirao.record (id, source, line, cells, problems, whole, customer)
    SELECT record, $2, line, cells, problems, whole, customer FROM kept
),
forgotten AS (
    DELETE FROM mutirao.record WHERE id IN (SELECT old_record FROM kept)
)
UPDATE mutirao.outbox AS o SET record = kept.record, import = $2 FROM kept WHERE o.id = kept.id
