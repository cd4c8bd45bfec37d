SELECT quote_ident(current_user), lacking.name, string_agg(lacking.may, ', ' ORDER BY lacking.may)
  FROM (SELECT 'SCHEMA mutirao' AS name, 'USAGE' AS may
         WHERE NOT has_schema_privilege(to_regnamespace('mutirao')::oid, 'USAGE')
        UNION ALL
        SELECT 'mutirao.' || n.name, n.may
          FROM (VALUES {needed}) n(name, may)
               JOIN pg_class c ON c.relnamespace = to_regnamespace('mutirao') AND c.relname = n.name
         WHERE NOT has_table_privilege(c.oid, n.may)
           AND (n.may = 'DELETE' OR NOT has_any_column_privilege(c.oid, n.may))) lacking
 GROUP BY lacking.name
