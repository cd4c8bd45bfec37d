UPDATE record
   SET fields = (
           SELECT json_group_array(cell)
             FROM (SELECT at, cell, max(iif(cell IS NULL, -1, at)) OVER () AS last
                     FROM (SELECT at, CASE WHEN type = 'true' THEN old
                                           WHEN type = 'object'
                                                AND iif(json_valid(old), json_type(old), NULL) = 'object'
                                           THEN nullif(json_patch(old, json_patch(nulls, coalesce(new, '{}'))),
                                                       iif(old <> '{}', '{}', NULL))
                                           ELSE new END AS cell
                             FROM (SELECT f.key AS at, f.type, f.value AS nulls,
                                          json_extract(o.fields, '$[' || f.key || ']') AS old,
                                          json_extract(record.fields, '$[' || f.key || ']') AS new
                                     FROM json_each(?1) f)))
            WHERE at <= last)
  FROM staged s JOIN outbox x ON x.lote = s.lote AND x.referencia = s.referencia
                JOIN record o ON o.id = x.record
 WHERE record.id = s.record
