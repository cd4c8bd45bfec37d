UPDATE outbox
   SET state = v.value ->> 'state', available_at = coalesce(v.value ->> 'available_at', available_at),
       attempts = coalesce(v.value ->> 'attempts', attempts),
       {doubt}, {warnings},
       error_code = iif({still_in_doubt}, error_code, v.value ->> 'code'),
       error_message = iif({still_in_doubt}, error_message, v.value ->> 'message'),
       protocolo = v.value ->> 'protocolo', id_atendimento = v.value ->> 'id_atendimento',
       ids_os = v.value ->> 'ids_os', numeros_os = v.value ->> 'numeros_os',
       finished_at = v.value ->> 'finished_at'
  FROM json_each(?1) v
 WHERE outbox.id = v.value ->> 'id' AND token = v.value ->> 'token' AND state = {in_flight}
