//! Everything this room says to a person, in one place. Rows and outboxes have it in English; it is spoken
//! where it is shown.
//!
//! The codes are stable: scripts and `problems.csv` rely on them.

use std::borrow::Cow;

use super::Problem;

/// One kind of problem or notice, in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub code: &'static str,
    /// What is wrong and what is allowed.
    pub message: &'static str,
    /// What to do next.
    pub hint: &'static str,
}

/// What reading a cell gives: a value and perhaps a notice, or what is wrong.
pub(super) type Read<T> = Result<(T, Option<&'static Words>), &'static Words>;

impl Words {
    pub(crate) fn problem(&self, field: &'static str, found: String) -> Problem {
        Problem {
            field: Cow::Borrowed(field),
            code: Cow::Borrowed(self.code),
            found,
            message: Cow::Borrowed(self.message),
            hint: Cow::Borrowed(self.hint),
        }
    }
}

macro_rules! words {
    ($($name:ident = $code:literal, $message:literal, $hint:literal;)*) => {
        $(pub(crate) static $name: Words = Words { code: $code, message: $message, hint: $hint };)*

        #[cfg_attr(not(test), expect(dead_code, reason = "tests go through all"))]
        pub(crate) static TABLE: &[&Words] = &[$(&$name),*];
    };
}

words! {
    // Any field.
    REQUIRED = "required", "the cell is blank, and no ticket can be opened without it",
        "fill it in, or give one value for all such rows with `--set FIELD=VALUE`";
    NUL = "nul_character", "the cell has a NUL character in it, so that the file may be damaged",
        "type the cell again";
    FORMULA_ERROR = "formula_error", "the formula of this cell failed, and what it shows is no value",
        "correct the formula, or type the value";
    LOST_CHARACTER = "lost_character", "a character of the cell was lost when the file was made, and it would be sent garbled",
        "type the text again, or export the file again as UTF-8";

    // Ids.
    NOT_AN_ID = "not_an_id", "not a whole number",
        "write the number from HubSoft in digits only";
    ID_AMBIGUOUS = "id_ambiguous",
        "the point or comma may separate thousands or decimals",
        "format the cell as text, and write the number without points and commas: `11000`";
    ID_FRACTION = "id_not_an_integer", "not a whole number: there are digits behind the decimal point",
        "write the number from HubSoft in digits only; several ids go into a cell formatted as text";
    ID_LOST_DIGITS = "id_lost_digits", "the spreadsheet has shortened the number, and its last digits are lost",
        "format the column as text, and copy the numbers again from where they came";
    ID_NOT_POSITIVE = "id_not_positive", "an id is 1 or more",
        "write the number from HubSoft in digits only";
    ID_TOO_LARGE = "id_too_large", "an id is at most 9223372036854775807",
        "check that this is not a protocolo or a document number";
    ID_LIST = "not_an_id_list", "not a list of ids: `7`, or several separated by commas, `7,12`",
        "write the numbers from HubSoft in digits only, separated by commas";
    ID_REPAIRED = "id_repaired", "the number was in scientific notation; all its digits were there",
        "format the column as text";
    ID_SEVERAL = "id_several", "the cell has several ids, where one is meant",
        "of several services each needs a row of its own, with the same cells beside it; in errors.csv the new row has nothing but the columns of the sheet";

    // Customers, whose service is to be found.
    DOCUMENT_FORM = "document_form", "neither a CPF (11 digits) nor a CNPJ (14)",
        "write it whole, as it stands in HubSoft";
    DOCUMENT_CHECK_DIGITS = "document_check_digits", "the last two digits of a CPF or CNPJ prove the others, and do not fit",
        "compare it with HubSoft, and write it whole";
    DOCUMENT_LOST_DIGITS = "document_lost_digits", "the spreadsheet has shortened the number, and its last digits are lost",
        "format the column as text, and copy the numbers again from where they came";
    CUSTOMER_UNKNOWN = "customer_unknown", "HubSoft shows no customer with this number who has not cancelled",
        "compare it with HubSoft, or write the service's id into a column `id_cliente_servico`";
    CUSTOMER_WITHOUT = "customer_without_service", "the customer has no active service in HubSoft",
        "look at the customer in HubSoft; if a ticket is wanted all the same, write the service's id into a column `id_cliente_servico`";
    CUSTOMER_SEVERAL = "customer_several_services",
        "the customer has several active services, and which one is meant is not guessed",
        "write the id of the one that is meant into a column `id_cliente_servico`";
    CUSTOMER_OTHER = "other_customer", "HubSoft has another name for this number, which may be another customer's",
        "compare number and name with HubSoft; if it is the right customer, write the service's id into a column `id_cliente_servico`";
    CUSTOMER_REFUSED = "customer_refused", "HubSoft refuses to show this customer, or fails over it",
        "see in HubSoft what is wrong with the customer, and import the file again; or write the service's id into a column `id_cliente_servico`";
    CUSTOMER_UNREADABLE = "customer_unreadable", "what HubSoft shows of this customer cannot be read",
        "see in HubSoft what is wrong with the customer, and import the file again; or write the service's id into a column `id_cliente_servico`";
    CUSTOMER_NOT_ASKED = "customer_not_looked_up", "the customer's service was not looked up",
        "check the file again with `--find-service`";

    NOT_A_BOOLEAN = "not_a_boolean",
        "neither yes nor no: allowed are true/false, t/f, sim/não, s/n, 1/0, verdadeiro/falso, v/f, yes/no, x, and blank for no",
        "write `sim` or `não`";

    // Phones.
    PHONE_NOT_DIGITS = "phone_not_digits", "a phone is digits, and blanks, `-`, `(`, `)`, `.`, `/` and `+` around them",
        "write one number, with its DDD";
    PHONE_LENGTH = "phone_length",
        "a phone is a DDD (2 digits) and 8 digits (landline) or 9 digits (mobile)",
        "write one number, with its DDD: `37 99911-2233`";
    PHONE_WITHOUT_DDD = "phone_without_ddd", "the area code (DDD) is missing",
        "write it in front of the number, or give one for all such rows with `--default-ddd NN`";
    PHONE_UNKNOWN_DDD = "phone_unknown_ddd", "the first two digits are not one of Brazil's 67 area codes (DDD)",
        "write the number with its DDD: `37 99911-2233`";
    PHONE_MOBILE = "phone_not_mobile", "behind the DDD, a number of 9 digits starts with 9",
        "check the number: is a digit too many?";
    PHONE_FOREIGN = "phone_foreign", "the number starts with `+` or `00`, and a country code that is not 55",
        "write a Brazilian number, with its DDD";
    PHONE_SERVICE = "phone_service_number", "0800, 0300, 400x and the like are no contact of a customer",
        "write the customer's own number, with its DDD";
    PHONE_REPEATED = "phone_repeated_digit", "one digit, repeated, is no contact",
        "write the customer's own number, with its DDD";
    PHONE_LOST_DIGITS = "phone_lost_digits", "the spreadsheet has shortened the number, and its last digits are lost",
        "format the column as text, and copy the numbers again from where they came";
    PHONE_REPAIRED = "phone_repaired", "the number was in scientific notation; all its digits were there",
        "format the column as text";
    PHONE_NONE = "phone_none", "the cell says that there is no phone, and no ticket can be opened without one",
        "write a number at which somebody answers; or clear the cell, and give one for all such rows with `--set telefone=NUMBER`";
    PHONE_SEVERAL = "phone_several", "the cell has several numbers; the first whole one is sent",
        "leave the number at which somebody answers";
    PHONE_REMARK = "phone_remark", "there are words beside the number; the number is sent, and they are not",
        "move them to `descricao` if somebody has to read them";
    PHONE_OLD_MOBILE = "phone_old_mobile", "looks like a mobile number without its ninth digit; sent as it is",
        "write the 9 behind the DDD if it is a mobile";
    PHONE_UNLIKELY = "phone_unlikely", "hardly a real number; sent as it is",
        "check it with the customer";
    PHONE_DDD_FILLED = "phone_ddd_filled", "the area code (DDD) was missing; the default was put in front",
        "check it if the customers are of several areas";

    // E-mail.
    EMAIL_WITHOUT_AT = "email_without_at", "an e-mail address has an `@`: `user@dominio.com`",
        "correct it, or leave the cell blank";
    EMAIL_LOCAL_PART = "email_local_part",
        "what stands before the `@` is letters without accents, digits and ``.!#$%&'*+/=?^_`{|}~-``, and no blank",
        "correct it, or leave the cell blank";
    EMAIL_DOMAIN = "email_domain",
        "what stands behind the `@` is letters, digits and hyphens, in parts separated by single points",
        "write one address, or leave the cell blank";

    // Text.
    DOUBLY_ENCODED = "doubly_encoded", "the accents were damaged before (`Ã§` for `ç`); sent as it is",
        "export the file again as UTF-8, or correct the text";

    // Objects.
    PARAMS_NOT_JSON = "params_not_json", "not JSON: expected one object, `{\"key\": \"value\"}`",
        "correct it, or use columns named `parametros.KEY` and `parametros_ordem_servico.KEY`";
    PARAMS_NOT_AN_OBJECT = "params_not_an_object", "JSON, but not an object: expected `{\"key\": \"value\"}`",
        "put it between braces, under a key";
    PARAMS_NUMBER = "params_number_too_long", "a number in it has more digits than a JSON number keeps",
        "put the number between quotation marks";
    OS_TYPE = "os_type_not_an_id", "`id_tipo_ordem_servico` is one id, 1 or more",
        "write the number from HubSoft in digits only";
    OS_STATUS = "os_status_unknown", "`status` is `pendente` or `aguardando_agendamento`",
        "write one of the two, or leave it out";
    OS_LIST = "os_ids_not_a_list", "`ids_tecnicos` and `id_disponibilidade` are lists of ids, 1 or more each",
        "write the numbers from HubSoft, separated by blanks: `7 12`";
    OS_UNKNOWN_KEY = "os_unknown_key",
        "HubSoft ignores a key it does not know; known are id_tipo_ordem_servico, status, ids_tecnicos, id_disponibilidade",
        "check how the key is spelt";
    OS_NOT_ASKED = "os_not_asked", "`parametros_ordem_servico` has no effect, since `abrir_os` is not yes",
        "set `abrir_os` to `sim` if a service order is wanted";
}

/// Why text is no area code.
pub(crate) const NOT_A_DDD: &str =
    "not an area code (DDD): two digits, one of the 67 in use, such as `11`, `37` or `85`";
