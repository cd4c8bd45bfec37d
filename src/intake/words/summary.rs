//! What was recognised of a file, one line a fact.

use crate::intake::chosen::Chosen;

pub(in crate::intake) fn text(encoding: &str, delimiter: &str, sep_line: bool) -> String {
    let text = match sep_line {
        false => tr!(
            "read as %{encoding}, cells separated by %{delimiter}",
            encoding = encoding,
            delimiter = delimiter
        ),
        true => tr!(
            "read as %{encoding}, cells separated by %{delimiter}, said by its `sep=` line",
            encoding = encoding,
            delimiter = delimiter
        ),
    };
    text.into_owned()
}
pub(in crate::intake) fn in_zip(name: &str) -> String {
    tr!("unpacked from a zip archive: `%{name}`", name = crate::printable::name(name)).into_owned()
}
pub(in crate::intake) fn in_page() -> String {
    tr!("a web page (HTML), whatever its name says; the rows of its tables are read").into_owned()
}
/// `others`: sheets that are not read, and how many rows each has that is not hidden.
pub(in crate::intake) fn workbook<'a>(
    (sheet, n_rows): (&str, u64),
    chosen: Chosen,
    others: impl Iterator<Item = (&'a str, Option<u64>)>,
) -> String {
    let sheet = crate::printable::name(sheet);
    let why = match chosen {
        Chosen::Only => "".into(),
        Chosen::Asked => tr!(", as was asked for"),
        Chosen::BestHeader => tr!(", whose header is the best"),
        Chosen::InFront => {
            tr!(
                ", which was in front when the workbook was saved (another header is as good: `--sheet` says which is meant)"
            )
        }
        Chosen::First => tr!(", the first (another header is as good: `--sheet` says which is meant)"),
    };
    let others: Vec<String> = others
        .map(|(name, n_rows)| {
            let rows = n_rows.map_or_else(|| tr!("hidden"), |n| tr!("%{n} %{n|row|rows}", n = n));
            format!("`{}` ({rows})", crate::printable::name(name))
        })
        .collect();
    if others.is_empty() {
        return tr!(
            "read from sheet `%{sheet}` (%{n} %{n|row|rows})%{why}",
            sheet = sheet,
            n = n_rows,
            why = why
        )
        .into_owned();
    }
    tr!(
        "read from sheet `%{sheet}` (%{n} %{n|row|rows})%{why}; not read: %{others}",
        sheet = sheet,
        n = n_rows,
        why = why,
        others = super::listed(others.into_iter())
    )
    .into_owned()
}
pub(in crate::intake) fn hidden_read(n_rows: u64) -> String {
    tr!(
        "%{n} %{n|row is|rows are} hidden in the sheet, and read like the others (`--hidden skip`: left out)",
        n = n_rows
    )
    .into_owned()
}
pub(in crate::intake) fn hidden_left_out(n_rows: u64) -> String {
    tr!("%{n} %{n|row is|rows are} hidden in the sheet, and left out", n = n_rows).into_owned()
}
pub(in crate::intake) fn above(line: u64, n_lines: u64, n_above: u64) -> String {
    let mut text = match n_lines {
        1 => tr!("the names of the columns are in line %{line}", line = line),
        _ => tr!("the names of the columns are in two lines, from line %{line} on", line = line),
    }
    .into_owned();
    if 0 < n_above {
        text.push_str(&tr!("; %{n} %{n|line above it is|lines above it are} not read", n = n_above));
    }
    text
}
pub(in crate::intake) fn column(name: &str, target: &str) -> String {
    tr!("`%{name}` is %{target}", name = name, target = target).into_owned()
}
/// Columns that are called as their fields are.
pub(in crate::intake) fn by_their_names(names: &[&String]) -> String {
    tr!("columns known by their names: %{names}", names = super::quoted(names)).into_owned()
}
/// Columns, and the fields that they are.
pub(in crate::intake) fn remembered(maps: impl ExactSizeIterator<Item = (String, String)>) -> String {
    let column = |(name, target): (String, String)| {
        tr!("`%{name}` is %{target}", name = crate::printable::name(&name), target = target).into_owned()
    };
    tr!("columns as last time: %{columns}", columns = super::listed(maps.map(column))).into_owned()
}
pub(in crate::intake) fn second_phone(name: &str) -> String {
    tr!("`%{name}` is telefone where that is blank", name = crate::printable::name(name)).into_owned()
}
pub(in crate::intake) fn set(target: &str) -> String {
    tr!("%{target} is set where its cell is blank", target = target).into_owned()
}
pub(in crate::intake) fn extra(names: &[String]) -> String {
    tr!("kept in the results and not sent: %{names}", names = super::quoted(names)).into_owned()
}
pub(in crate::intake) fn doubled(names: &[String]) -> String {
    tr!("several columns of one name, none of them sent: %{names}", names = super::quoted(names)).into_owned()
}
pub(in crate::intake) fn unnamed(n_columns: usize) -> String {
    tr!("columns without a name, neither sent nor kept: %{n}", n = n_columns).into_owned()
}
pub(in crate::intake) fn ours(names: &[String]) -> String {
    tr!("from an earlier result: %{names}", names = super::quoted(names)).into_owned()
}
pub(in crate::intake) fn delimiter(delimiter: u8) -> String {
    if delimiter == b'\t' { tr!("tab").into_owned() } else { format!("`{}`", char::from(delimiter)) }
}
