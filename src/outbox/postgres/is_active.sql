-- The orders are those of the indices, so that no scan looks cheaper.
SELECT coalesce(
    (SELECT true FROM mutirao.outbox o
      WHERE {to_post} AND NOT gone AND parked IS NULL AND available_at <= now() AND {passed}
      ORDER BY prioridade, available_at, id LIMIT 1),
    (SELECT true FROM mutirao.outbox o
      WHERE {to_look_up} AND available_at <= now()
      ORDER BY prioridade, available_at, id LIMIT 1),
    (SELECT true FROM mutirao.outbox WHERE state = {in_flight} ORDER BY service, state LIMIT 1),
    false)
