UPDATE mutirao.outbox o
   SET state = {in_flight}, token = o.token + 1, worker = $2, claimed_at = $3,
       first_claim = o.sent_at IS NULL, sent_at = coalesce(o.sent_at, $3),
       {doubt}
  FROM unnest($1::bigint[], $6::bigint[], $7::bool[]) v(id, token, is_post)
 WHERE o.id = v.id
   AND EXISTS (SELECT FROM mutirao.worker w WHERE w.id = $2 AND clock_timestamp() + $4 < w.lease_until)
   AND NOT EXISTS (SELECT FROM mutirao.worker s WHERE {is_silent})
{returning}
