SELECT '[' || {head} || ',' || coalesce(r.cells, '[]') || ']', {raw_ticket}::text,
       CASE WHEN o.purged_at IS NOT NULL THEN '[]' ELSE r.problems END,
       json_build_array(coalesce(b.name, o.lote), (SELECT l.key FROM mutirao.batch l WHERE l.name = o.lote),
                        {sent_at}, {available_at}, {since}, {since_at_hubsoft}, o.doubt_precaution::int,
                        o.absences, {absent_at}, o.answered, {finished_at}, {purged_at})::text
  FROM (SELECT *, {place} AS place FROM mutirao.outbox o WHERE id = $1) AS o
       LEFT JOIN mutirao.record r ON r.id = o.record LEFT JOIN mutirao.batch b ON b.id = o.batch
