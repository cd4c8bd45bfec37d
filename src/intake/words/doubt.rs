//! Why a column may not be what it is taken for.

use crate::printable::name;

pub(in crate::intake) fn customers_number(column: &str) -> String {
    tr!(
        "`%{column}` is a customer's number by its name, and is taken for the service's (`id_cliente_servico`): those are different numbers",
        column = name(column)
    )
    .into_owned()
}
pub(in crate::intake) fn two_fit(column: &str, other: &str) -> String {
    tr!(
        "`%{column}` is taken for `id_cliente_servico`, and `%{other}` could be it too",
        column = name(column),
        other = name(other)
    )
    .into_owned()
}
pub(in crate::intake) fn repeats(column: &str, n_rows: u64) -> String {
    tr!(
        "`%{column}` is taken for `id_cliente_servico`, and %{n} %{n|row has|rows have} the number of another customer: is it a plan's?",
        column = name(column),
        n = n_rows
    )
    .into_owned()
}
