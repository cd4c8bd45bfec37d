UPDATE mutirao.outbox o
   SET state = {opened}, protocolo = v.protocolo, id_atendimento = v.id_atendimento,
       ids_ordem_servico = v.ids_os::bigint[], numeros_ordem_servico = v.numeros_os::text[],
       attempts = v.attempts, {warnings}, {doubt},
       error_code = NULL, error_message = NULL, finished_at = clock_timestamp()
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::int[],
              $8::text[])
       v(id, token, protocolo, id_atendimento, ids_os, numeros_os, attempts, warnings)
 WHERE {fenced}
{returning}
