//! `parametros` and `parametros_ordem_servico`: JSON objects in a cell.

use serde_json::{Map, Value};

use super::cell::{has_lost_character, is_formula_error};
use super::id;
use super::words::{self, Read, Words};

/// Reads the text of one JSON object with free keys.
pub(super) fn read(cell: &str) -> Read<Map<String, Value>> {
    let value: Value = serde_json::from_str(cell).map_err(|_| &words::PARAMS_NOT_JSON)?;
    check(&value)?;
    match value {
        Value::Object(map) => Ok((map, None)),
        _ => Err(&words::PARAMS_NOT_AN_OBJECT),
    }
}

/// Reads `parametros_ordem_servico`, whose known keys get the types that HubSoft wants: a wrongly
/// typed one would be ignored there without a word, and a default technician be sent.
pub(super) fn read_os(cell: &str) -> Read<Map<String, Value>> {
    let (map, _) = read(cell)?;
    let mut notice = None;
    let mut read = Map::new();
    for (key, value) in map {
        let typed = match key.as_str() {
            "id_tipo_ordem_servico" => single_id(&value)?,
            "status" => status(value)?,
            "ids_tecnicos" | "id_disponibilidade" => list(&value)?,
            _ => {
                notice = Some(&words::OS_UNKNOWN_KEY);
                Some(value)
            }
        };
        if let Some(value) = typed {
            read.insert(key, value);
        }
    }
    Ok((read, notice))
}

/// `None` for a blank: the key is then left out, and HubSoft's default stands.
type Typed = Result<Option<Value>, &'static Words>;

fn single_id(value: &Value) -> Typed {
    let Some(text) = scalar(value).ok_or(&words::OS_TYPE)? else { return Ok(None) };
    let (id, _) = id::read(super::trim(&text)).map_err(|_| &words::OS_TYPE)?;
    Ok(Some(Value::from(id.get())))
}

fn status(value: Value) -> Typed {
    let Some(text) = scalar(&value).ok_or(&words::OS_STATUS)? else { return Ok(None) };
    match super::trim(&text).to_lowercase().as_str() {
        known @ ("pendente" | "aguardando_agendamento") => Ok(Some(Value::from(known))),
        _ => Err(&words::OS_STATUS),
    }
}

/// An array, or text with the ids separated by blanks or commas; sent as an array of strings.
fn list(value: &Value) -> Typed {
    let items: Option<Vec<String>> = match value {
        Value::Array(items) => items.iter().map(|item| scalar(item).flatten()).collect(),
        one => match scalar(one) {
            Some(Some(text)) => text
                .split(|c: char| c == ',' || super::cell::is_invisible(c))
                .filter(|id| !id.is_empty())
                .map(|id| Some(id.to_owned()))
                .collect(),
            Some(None) => return Ok(None),
            None => None,
        },
    };
    let items = items.ok_or(&words::OS_LIST)?;
    let ids = items.iter().map(|item| match id::read(super::trim(item)) {
        Ok((id, _)) => Ok(Value::from(id.get().to_string())),
        Err(_) => Err(&words::OS_LIST),
    });
    Ok(Some(Value::Array(ids.collect::<Result<_, _>>()?)))
}

/// Text or a number, as text. `Some(None)`: blank or null. `None`: neither text nor number.
fn scalar(value: &Value) -> Option<Option<String>> {
    match value {
        Value::Null => Some(None),
        Value::String(text) if super::is_blank(text) => Some(None),
        Value::String(text) => Some(Some(text.clone())),
        Value::Number(number) => Some(Some(number.to_string())),
        _ => None,
    }
}

/// Refuses what would not arrive as it was written.
fn check(value: &Value) -> Result<(), &'static Words> {
    /// From here on a double does not hold every integer, and JSON numbers beyond 64 bits become one.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0; // 2^53

    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && EXACT_MAX <= float.abs() => Err(&words::PARAMS_NUMBER),
            _ => Ok(()),
        },
        Value::String(text) if text.contains('\0') => Err(&words::NUL),
        Value::String(text) if has_lost_character(text) => Err(&words::LOST_CHARACTER),
        Value::String(text) if is_formula_error(super::trim(text)) => Err(&words::FORMULA_ERROR),
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Object(map) => map
            .iter()
            .try_for_each(|(key, value)| if key.contains('\0') { Err(&words::NUL) } else { check(value) }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_keys_pass_as_they_are() {
        let text = r#"{"a":1,"b":[true,null,"x"],"c":{"d":0.5}}"#;
        assert_eq!(Value::Object(read(text).unwrap().0).to_string(), text);
        for (cell, code) in [
            ("x", "params_not_json"),
            ("{", "params_not_json"),
            ("{'a':1}", "params_not_json"),
            ("[{}]", "params_not_an_object"),
            ("1", "params_not_an_object"),
            (r#"{"protocolo":20241126103000123456}"#, "params_number_too_long"),
            (r#"{"a":"\u0000"}"#, "nul_character"),
            (r#"{"a":[1,["\u0000"]]}"#, "nul_character"),
            (r#"{"a":{"\u0000":1}}"#, "nul_character"),
            (r#"{"a":"\ufffd"}"#, "lost_character"),
            (r##"{"a":" #N/D "}"##, "formula_error"),
        ] {
            assert_eq!(read(cell).unwrap_err().code, code, "{cell}");
        }
    }

    #[test]
    fn known_keys_get_the_types_that_hubsoft_wants() {
        check_os(
            r#"{"id_tipo_ordem_servico":"12","status":"Pendente","ids_tecnicos":"7 12"}"#,
            r#"{"id_tipo_ordem_servico":12,"ids_tecnicos":["7","12"],"status":"pendente"}"#,
        );
        check_os(r#"{"ids_tecnicos":[7,"12"]}"#, r#"{"ids_tecnicos":["7","12"]}"#);
        check_os(r#"{"ids_tecnicos":7}"#, r#"{"ids_tecnicos":["7"]}"#);
        check_os(r#"{"id_disponibilidade":"1,2"}"#, r#"{"id_disponibilidade":["1","2"]}"#);
        check_os(r#"{"status":"","ids_tecnicos":null}"#, "{}");
        for (cell, code) in [
            (r#"{"id_tipo_ordem_servico":"x"}"#, "os_type_not_an_id"),
            (r#"{"id_tipo_ordem_servico":0}"#, "os_type_not_an_id"),
            (r#"{"id_tipo_ordem_servico":[1]}"#, "os_type_not_an_id"),
            (r#"{"status":"aberto"}"#, "os_status_unknown"),
            (r#"{"status":1}"#, "os_status_unknown"),
            (r#"{"ids_tecnicos":"7 x"}"#, "os_ids_not_a_list"),
            (r#"{"ids_tecnicos":[7,null]}"#, "os_ids_not_a_list"),
            (r#"{"ids_tecnicos":{"0":7}}"#, "os_ids_not_a_list"),
        ] {
            assert_eq!(read_os(cell).unwrap_err().code, code, "{cell}");
        }
        assert_eq!(read_os(r#"{"ids_tecnico":[7]}"#).unwrap().1.unwrap().code, "os_unknown_key");
    }

    #[track_caller]
    fn check_os(cell: &str, expected: &str) {
        let (map, notice) = read_os(cell).unwrap();
        assert_eq!(notice, None);
        assert_eq!(Value::Object(map).to_string(), expected);
        assert_eq!(Value::Object(read_os(expected).unwrap().0).to_string(), expected);
    }
}
