WITH added AS (
    INSERT INTO mutirao.outbox ({columns}, lote, referencia, batch, record, line, import, repeat_key,
                                available_at, state, {doubt_columns},
                                error_code, error_message, warning, warnings, finished_at)
    SELECT {fields}, s.lote, s.referencia, $2, s.record, s.line, $3, s.repeat_key,
           {now}, {state}, {doubt},
           i.error_code, i.error_message, s.warning, {warnings}, CASE WHEN NOT s.valid THEN {now} END
      FROM staged s JOIN incoming i ON i.record = s.record
     WHERE s.row_id IS NULL ORDER BY s.record
    RETURNING id, record
)
UPDATE staged SET row_id = added.id FROM added WHERE staged.record = added.record
