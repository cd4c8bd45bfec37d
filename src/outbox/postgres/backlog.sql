SELECT EXISTS (SELECT FROM mutirao.outbox o WHERE {to_post})
    OR EXISTS (SELECT FROM mutirao.outbox o WHERE {to_look_up})
    OR EXISTS (SELECT FROM mutirao.outbox o WHERE {blocked}),
       -- The first that is due answers at once; only if none is, all that wait are seen.
       least(coalesce((SELECT o.available_at FROM mutirao.outbox o
                        WHERE {to_post} {but}
                          AND NOT EXISTS (SELECT FROM mutirao.outbox l
                                           WHERE l.service = o.service AND {live} OFFSET 0)
                          AND o.available_at <= $4
                        ORDER BY o.prioridade, o.available_at, o.id LIMIT 1),
                      (SELECT min(o.available_at) FROM mutirao.outbox o
                        WHERE {to_post} {but}
                          AND NOT EXISTS (SELECT FROM mutirao.outbox l
                                           WHERE l.service = o.service AND {live} OFFSET 0)
                          AND $4 < o.available_at)),
             coalesce((SELECT o.available_at FROM mutirao.outbox o
                        WHERE {to_look_up} {but}
                          AND NOT EXISTS (SELECT FROM mutirao.outbox l
                                           WHERE l.service = o.service AND l.state = {in_flight} AND {live}
                                          OFFSET 0)
                          AND o.available_at <= $4
                        ORDER BY o.prioridade, o.available_at, o.id LIMIT 1),
                      (SELECT min(o.available_at) FROM mutirao.outbox o
                        WHERE {to_look_up} {but}
                          AND NOT EXISTS (SELECT FROM mutirao.outbox l
                                           WHERE l.service = o.service AND l.state = {in_flight} AND {live}
                                          OFFSET 0)
                          AND $4 < o.available_at))),
       EXISTS (SELECT FROM mutirao.outbox o
                WHERE o.state = {in_flight} AND o.worker <> $5 AND {in_batch}
                  AND ($2::bigint IS NULL OR o.import = $2)),
       EXISTS (SELECT FROM mutirao.outbox o WHERE {waits} AND NOT o.gone AND o.parked = 'halted')
    OR EXISTS (SELECT FROM mutirao.outbox o WHERE {waits} AND NOT o.gone AND o.parked = 'blocked')
