UPDATE mutirao.outbox o
   SET state = v.state, available_at = coalesce(v.available_at, o.available_at),
       attempts = coalesce(v.attempts, o.attempts),
       {doubt}, {warnings},
       error_code = CASE WHEN {still_in_doubt} THEN o.error_code ELSE v.code END,
       error_message = CASE WHEN {still_in_doubt} THEN o.error_message ELSE v.message END,
       protocolo = v.protocolo, id_atendimento = v.id_atendimento, ids_ordem_servico = v.ids_os::bigint[],
       numeros_ordem_servico = v.numeros_os::text[],
       finished_at = CASE WHEN v.state NOT IN {waiting} THEN clock_timestamp() END
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::int[], $6::text[], $7::text[],
              $8::text[], $9::bigint[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[],
              $14::bool[], $15::int[], $16::timestamptz[], $17::int[], $18::text[])
       v(id, token, state, available_at, attempts, code, message, protocolo, id_atendimento, ids_os,
         numeros_os, since, hubsoft_at, precaution, absences, last_absence, answered,
         warnings)
 WHERE {fenced}
{returning}
