WITH next(post, look_up) AS (
    SELECT coalesce((SELECT o.available_at FROM outbox o
                      WHERE {to_post}
                        AND NOT EXISTS (SELECT 1 FROM outbox l WHERE l.service = o.service AND {live})
                        AND o.available_at <= ?4
                      ORDER BY o.priority, o.available_at, o.id LIMIT 1),
                    (SELECT min(o.available_at) FROM outbox o
                      WHERE {to_post}
                        AND NOT EXISTS (SELECT 1 FROM outbox l WHERE l.service = o.service AND {live})
                        AND ?4 < o.available_at)),
           coalesce((SELECT o.available_at FROM outbox o
                      WHERE {to_look_up}
                        AND NOT EXISTS (SELECT 1 FROM outbox l
                                         WHERE l.service = o.service AND l.state = {in_flight} AND {live})
                        AND o.available_at <= ?4
                      ORDER BY o.priority, o.available_at, o.id LIMIT 1),
                    (SELECT min(o.available_at) FROM outbox o
                      WHERE {to_look_up}
                        AND NOT EXISTS (SELECT 1 FROM outbox l
                                         WHERE l.service = o.service AND l.state = {in_flight} AND {live})
                        AND ?4 < o.available_at))
)
SELECT EXISTS (SELECT 1 FROM outbox o WHERE {to_post}) OR EXISTS (SELECT 1 FROM outbox o WHERE {to_look_up}),
       coalesce(min(post, look_up), post, look_up)
  FROM next
