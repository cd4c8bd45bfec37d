-- `OFFSET 0` keeps the question for live rows a look by service, a candidate at a time. As a join, the
-- planner may choose to read all of `outbox_live` for each, if it believes that there is nothing in it.
SELECT * FROM
(SELECT {columns} FROM mutirao.outbox o
  WHERE {to_look_up} AND o.available_at <= $4 {but}
    AND NOT EXISTS (SELECT FROM mutirao.outbox l
                     WHERE l.service = o.service AND l.state = {in_flight} AND {live} OFFSET 0)
  ORDER BY o.prioridade, o.available_at, o.id LIMIT $6 {locking}) look_ups
UNION ALL SELECT * FROM
(SELECT {columns} FROM mutirao.outbox o
  WHERE {to_post} AND o.available_at <= $4 {but}
    AND NOT EXISTS (SELECT FROM mutirao.outbox l WHERE l.service = o.service AND {live} OFFSET 0) {from}
  ORDER BY {order} LIMIT $5 {locking}) posts
