-- $1 this worker, $2 its own rate, $3 slots it wants,
-- $4 seconds to throttle and $5 why, $6 what it found of HubSoft, $7 why all must pause, $8 whether it can
-- probe, $9 whether HubSoft takes connections again, $10 whether it can try a post,
-- $11 whether it waits for a login.
--
-- The numbers, as the engine has them: $12 how far ahead slots and logins are given out, $13 the length of
-- its block, $14 from one login to the next, $15 how far those that may follow each other at once reach,
-- $16 the longest throttle, $17 the first wait for a probe, $18 the longest, $19 how often it doubles at
-- most, $20 for how long a silent worker holds a probe or a trial, $21 how far apart the ends of one throttle
-- may be. $22 and $23: the causes of $5 and $7, where they have codes. $24 the length of anybody's longest
-- block.
--
-- Of the refusal that lowered the rate: $25 slots it took since, $26 the number of the one it knows, $27 the
-- rate that it finds by now; $28 whether HubSoft refused it for its rate now, $29 the rate found by that, $30
-- how long after its pause a refusal is forgotten, $31 the number of the one that it knew then.
WITH quick AS MATERIALIZED (
    -- What is lost in a crash of the server here is old when the server is back, but for a pause, which
    -- stands until a person takes it back.
    SELECT set_config('synchronous_commit', CASE WHEN $7 IS NULL THEN 'off'
        WHEN current_setting('synchronous_commit') = 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)
),
here AS MATERIALIZED (
    SELECT p.*, p.breaker_worker IS NOT DISTINCT FROM $1 AS mine FROM mutirao.pace p, quick WHERE p.one LIMIT 1 FOR UPDATE OF p
),
-- Only once the row is ours.
moment AS MATERIALIZED (
    SELECT clock_timestamp() AS now FROM here
),
peers AS MATERIALIZED (
    SELECT count(*)::integer AS n, min(w.rate) AS rate
      FROM mutirao.worker w, moment m WHERE w.id <> $1 AND m.now < w.lease_until
),
-- When the clock was set back, all that is to come goes back with it.
known AS MATERIALIZED (
    SELECT h.next_slot_at + b.back AS next_slot_at, h.throttled_until + b.back AS throttled_until, h.breaker_at + b.back AS breaker_at,
           h.next_login_at + b.back AS next_login_at, h.lowered_at + b.back AS lowered_at
      FROM here h, moment m, LATERAL (SELECT least(m.now - h.seen_at, interval '0 s') AS back) b
),
login AS MATERIALIZED (
    SELECT u.used_until + $14 AS next_at, f.free_at, coalesce($11 AND f.free_at <= m.now + $12, false) AS is_given
      FROM known k, moment m,
           LATERAL (SELECT greatest(m.now, least(k.next_login_at, m.now + ($15 + $14 + $12))) AS used_until) u,
           LATERAL (SELECT greatest(m.now, u.used_until - $15) AS free_at) f
),
heard AS MATERIALIZED (
    SELECT m.now, k.next_slot_at, h.paused_at, h.pause_reason, h.pause_cause, h.n_probes, h.breaker_worker,
           -- A throttle is at most so long, and so is the wait for a probe: more is the work of a clock that
           -- was set.
           CASE WHEN m.now < k.throttled_until THEN least(k.throttled_until, m.now + $16) END AS throttled_until,
           h.throttle_reason, h.throttle_cause, h.n_throttles,
           CASE WHEN m.now < k.lowered_at + h.lowered_pause + $30 THEN k.lowered_at END AS lowered_at,
           h.lowered_by, h.lowered_pause, h.lowered_rate, h.n_taken,
           CASE WHEN m.now < k.breaker_at THEN least(k.breaker_at, m.now + $18) ELSE m.now END AS breaker_at,
           m.now + make_interval(secs => $4) AS throttle_asked,
           h.breaker,
           CASE WHEN $6 = 'unreachable' AND (h.breaker = 'closed' OR h.mine) THEN 'open'
                WHEN $6 = 'answered' AND h.breaker = 'open' AND h.mine THEN 'trial'
                WHEN $6 = 'proven' AND h.breaker = 'trial' AND h.mine THEN 'closed'
           END AS turns
      FROM here h, known k, moment m
),
turned AS MATERIALIZED (
    SELECT h.now, h.next_slot_at,
           coalesce(h.paused_at, CASE WHEN $7 IS NOT NULL THEN h.now END) AS paused_at,
           coalesce(h.pause_reason, $7) AS pause_reason,
           CASE WHEN h.pause_reason IS NULL THEN $23::jsonb ELSE h.pause_cause END AS pause_cause,
           greatest(h.throttled_until, h.throttle_asked) AS throttled_until,
           -- Workers that were refused together tell of one throttle.
           CASE WHEN n.is_new THEN $5 ELSE h.throttle_reason END AS throttle_reason,
           CASE WHEN n.is_new THEN $22::jsonb ELSE h.throttle_cause END AS throttle_cause,
           h.n_throttles + n.is_new::integer AS n_throttles,
           CASE WHEN n.lowers THEN h.now ELSE h.lowered_at END AS lowered_at,
           CASE WHEN n.lowers THEN h.n_throttles + 1 ELSE h.lowered_by END AS lowered_by,
           CASE WHEN n.lowers THEN h.throttle_asked - h.now ELSE h.lowered_pause END AS lowered_pause,
           CASE WHEN n.lowers THEN $29 ELSE h.lowered_rate END AS lowered_rate,
           CASE WHEN n.lowers THEN 0 ELSE h.n_taken + CASE WHEN h.lowered_by = $26 THEN $25 ELSE 0 END END AS n_taken,
           coalesce(h.turns, h.breaker) AS breaker,
           CASE h.turns WHEN 'open' THEN NULL ELSE h.breaker_worker END AS holder,
           -- While one probes, it is left to that one to come again.
           CASE WHEN $9 AND (h.turns = 'open' OR h.breaker = 'open' AND h.turns IS NULL AND h.breaker_worker IS NULL) THEN h.now
                WHEN h.turns = 'open' THEN h.now + least($17 * 2 ^ least(h.n_probes, $19), $18)
                ELSE h.breaker_at END AS free_at,
           CASE h.turns WHEN 'open' THEN h.n_probes + 1 WHEN 'closed' THEN 0 ELSE h.n_probes END AS n_probes
      FROM heard h,
           LATERAL (SELECT coalesce(coalesce(h.throttled_until, '-infinity') + $21 < h.throttle_asked, false) AS is_new) i,
           LATERAL (SELECT i.is_new,
                  -- One that is told late, or twice, does not undo what was found since.
                  i.is_new AND $28 AND (h.lowered_at IS NULL OR h.lowered_by IS NOT DISTINCT FROM $31) AS lowers) n
),
held AS MATERIALIZED (
    SELECT t.*,
           CASE WHEN t.breaker = 'closed' THEN NULL
                WHEN f.is_fit AND (t.holder = $1 OR t.free_at <= t.now) THEN $1
                WHEN NOT f.is_fit AND (t.holder = $1 OR t.free_at <= t.now) THEN NULL
                ELSE t.holder END AS new_holder,
           1 / r.borne * interval '1 s' AS slot, r.borne,
           least(p.rate, $2) AS rate, p.n + 1 AS n_workers
      FROM turned t, peers p, LATERAL (SELECT CASE t.breaker WHEN 'trial' THEN $10 ELSE $8 END AS is_fit) f,
           -- Who does not know of that refusal yet goes at the rate found by it; who does says how far that
           -- is raised.
           LATERAL (SELECT least(p.rate, $2, CASE WHEN t.lowered_at IS NULL THEN NULL WHEN t.lowered_by = $26 THEN $27
                                                  ELSE t.lowered_rate END) AS borne) r
),
free AS MATERIALIZED (
    SELECT h.*,
           CASE WHEN h.new_holder = $1 THEN h.now + $20
                WHEN h.holder = $1 AND h.new_holder IS NULL THEN h.now
                ELSE h.free_at END AS new_free_at,
           -- Slots are given out so far ahead at most; what lies further ahead is a clock's work too, or that
           -- of a slower worker that has left.
           least(h.next_slot_at, h.now + ($12 + greatest($24, h.slot))) AS next_at
      FROM held h
),
given AS MATERIALIZED (
    SELECT f.*,
           CASE WHEN f.slot IS NULL OR $3 = 0 OR $12 < a.first_at - f.now THEN 0
                ELSE least($3, greatest(1, floor(extract(epoch FROM $13) * f.borne / f.n_workers)))::integer END AS n_slots,
           a.first_at
      FROM free f, LATERAL (SELECT greatest(f.next_at, f.now, f.throttled_until) AS first_at) a
),
written AS (
    UPDATE mutirao.pace p
       SET next_slot_at = CASE WHEN 0 < g.n_slots THEN g.first_at + g.slot * g.n_slots ELSE g.next_at END,
           seen_at = g.now, next_login_at = CASE WHEN l.is_given THEN l.next_at ELSE p.next_login_at END,
           throttled_until = g.throttled_until, throttle_reason = g.throttle_reason,
           throttle_cause = g.throttle_cause, n_throttles = g.n_throttles,
           lowered_at = g.lowered_at, lowered_by = g.lowered_by, lowered_pause = g.lowered_pause,
           lowered_rate = g.lowered_rate, n_taken = g.n_taken,
           paused_at = g.paused_at, pause_reason = g.pause_reason, pause_cause = g.pause_cause,
           breaker = g.breaker, breaker_worker = g.new_holder, breaker_at = g.new_free_at, n_probes = g.n_probes
      FROM given g, login l
     WHERE p.one
       -- Listening leaves nothing behind.
       AND (0 < g.n_slots OR l.is_given OR $4 IS NOT NULL OR $6 IS NOT NULL OR $7 IS NOT NULL
            -- While something is to come, the clock is watched; slots go back with it.
            OR g.lowered_at IS NOT NULL AND 0 < $25
            OR p.breaker <> 'closed' OR g.throttled_until IS NOT NULL OR p.next_slot_at <> g.next_at)
)
SELECT (extract(epoch FROM g.now) * 1000000)::bigint, g.rate, g.n_workers, g.n_slots,
       (extract(epoch FROM g.first_at - g.now) * 1000000)::bigint,
       (extract(epoch FROM g.slot) * 1000000)::bigint,
       (extract(epoch FROM g.throttled_until - g.now) * 1000000)::bigint,
       g.throttle_reason, g.throttle_cause::text, g.n_throttles,
       CASE WHEN g.paused_at IS NOT NULL THEN coalesce(g.pause_reason, '') END, g.pause_cause::text,
       g.breaker, g.new_holder = $1,
       CASE WHEN l.is_given THEN (extract(epoch FROM l.free_at - g.now) * 1000000)::bigint END,
       CASE WHEN g.lowered_at IS NOT NULL
            THEN ARRAY[g.lowered_by, extract(epoch FROM g.now - g.lowered_at), extract(epoch FROM g.lowered_pause),
                       g.lowered_rate, g.n_taken]::double precision[] END
  FROM given g, login l
