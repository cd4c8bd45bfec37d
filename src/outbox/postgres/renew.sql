-- $1 this worker, $2 seconds of its lease, $3 seconds between two renewals, $4 how many of its requests may
-- be under way.
--
-- No lease lasts longer than when it was renewed: one that does is the work of a clock that was set back, and
-- would keep the rows of a dead worker, and its rate, for as long.
WITH set_back AS (
    UPDATE mutirao.worker SET lease_until = clock_timestamp() + make_interval(secs => lease_s)
     WHERE id IN (SELECT id FROM mutirao.worker
                   WHERE id <> $1 AND clock_timestamp() + make_interval(secs => lease_s + 1) < lease_until
                     FOR UPDATE SKIP LOCKED))
UPDATE mutirao.worker
   SET n_renewals = CASE WHEN lease_until <= clock_timestamp() OR server_started <> pg_postmaster_start_time()
                         THEN 0
                         -- One that is tried again says nothing of how long it waits.
                         WHEN lease_until <= clock_timestamp() + make_interval(secs => $2 - $3)
                         THEN n_renewals + 1 ELSE n_renewals END,
       lease_until = clock_timestamp() + make_interval(secs => $2), at_once = coalesce($4, at_once)
 WHERE id = $1
RETURNING EXISTS (SELECT FROM mutirao.worker w WHERE w.id <> $1 AND w.lease_until <= clock_timestamp()),
       server_started <> pg_postmaster_start_time()
