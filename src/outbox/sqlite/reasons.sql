-- `o`: the rows in scope. Words without a digit are not put through `replace`, which most have not.
WITH told AS (
    SELECT o.state, coalesce(p.value ->> 'code', o.error_code, '') AS code,
           coalesce(p.value ->> 'field', '') AS field,
           substr(coalesce(p.value ->> 'message', o.error_message, ''), 1, {chars_max}) AS message,
           o.record AS place, o.line, o.referencia
      FROM outbox o
           LEFT JOIN json_each(iif(o.state = {invalid}, (SELECT r.problems FROM record r WHERE r.id = o.record), NULL)) p
     WHERE {in_scope} AND o.state IN {states}
       AND (o.state <> {pending} OR o.error_code IS NOT NULL)
), alike AS MATERIALIZED (
    SELECT *, iif(message GLOB '*[0-9]*', {folded}, message) AS words FROM told
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY state, code, field, words ORDER BY place) AS n FROM alike
)
SELECT state, code, field, min(message), max(message), words, count(*) AS n_rows,
       json_group_array(json_array(line, referencia) ORDER BY n) FILTER (WHERE n <= {examples}),
       sum(count(*)) OVER ()
  FROM numbered GROUP BY state, code, field, words
 ORDER BY n_rows DESC, min(place), field, code LIMIT {reasons}
