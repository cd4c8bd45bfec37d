{first}SELECT
    (SELECT '[' || group_concat('[' || json_array({head}) || ',' || r.fields || ']') || ']'
       FROM (SELECT o.id FROM outbox o
              WHERE {to_post} AND o.available_at <= ?4
                AND NOT EXISTS (SELECT 1 FROM outbox l WHERE l.service = o.service AND {live}) {from}
              ORDER BY {order} LIMIT +?5) AS due
            CROSS JOIN outbox o ON o.id = due.id CROSS JOIN record r ON r.id = o.record),
    (SELECT '[' || group_concat('[' || json_array({head},
                   json_array(o.doubt_since, o.doubt_hubsoft_at, o.doubt_precaution, o.absences, o.last_absence,
                              o.answered)) || ',' || r.fields || ']') || ']'
       FROM (SELECT o.id FROM outbox o
              WHERE {to_look_up} AND o.available_at <= ?4
                AND NOT EXISTS (SELECT 1 FROM outbox l
                                 WHERE l.service = o.service AND l.state = {in_flight} AND {live})
              ORDER BY o.priority, o.available_at, o.id LIMIT +?6) AS due
            CROSS JOIN outbox o ON o.id = due.id CROSS JOIN record r ON r.id = o.record)
