-- `o`: the rows in scope.
WITH told AS (
    SELECT o.state COLLATE "C" AS state, coalesce(p.problem ->> 'code', o.error_code, '') COLLATE "C" AS code,
           coalesce(p.problem ->> 'field', '') COLLATE "C" AS field,
           left(coalesce(p.problem ->> 'message', o.error_message, ''), {chars_max}) COLLATE "C" AS message,
           {place} AS place, o.line, o.referencia
      FROM mutirao.outbox o
           LEFT JOIN mutirao.record r ON r.id = o.record AND o.state = {invalid}
           LEFT JOIN LATERAL json_array_elements(r.problems::json) AS p(problem) ON true
     WHERE {in_scope} AND o.state IN {states}
       AND (o.state <> {pending} OR o.error_code IS NOT NULL)
), alike AS (
    SELECT *, regexp_replace(message, '[0-9]+', '…', 'g') AS words FROM told
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY state, code, field, words ORDER BY place) AS n FROM alike
)
SELECT state, code, field, min(message), max(message), words, count(*) AS n_rows,
       (json_agg(json_build_array(line, referencia) ORDER BY n) FILTER (WHERE n <= {examples}))::text,
       (sum(count(*)) OVER ())::bigint
  FROM numbered GROUP BY state, code, field, words
 ORDER BY n_rows DESC, min(place), field, code LIMIT {reasons}
