//! What SECURITY.md says of bounds is what the code holds to.

use crate::documents::{quoted, read, section, table};

#[test]
fn the_bounds_are_those_of_the_code() {
    let page = read("SECURITY.md");
    let rows = table(section(&page, "## Bounds"));
    assert!(20 < rows.len(), "{rows:?}");
    for row in &rows {
        let [of, at_most, place] = &row[..] else { panic!("{row:?}") };
        let place: Vec<&str> = quoted(place).collect();
        let [name, file] = place[..] else { panic!("{row:?}") };
        assert_eq!(told(at_most), constant(&read(file), name), "{of}: `{name}` of {file}");
    }
    let limits = read("src/intake/limits.rs");
    let of_limits = limits.split("const ").skip(1).map(|it| it.split(':').next().unwrap());
    for name in of_limits {
        assert!(page.contains(&format!("`{name}`, `src/intake/limits.rs`")), "{name} is not told of");
    }
}

#[test]
fn a_bound_is_read_in_either_form() {
    for (text, expected) in [("64 KiB", 65_536), ("1,048,576", 1 << 20), ("1 GiB", 1 << 30), ("900 s", 900)] {
        assert_eq!(told(text), expected);
    }
    for (expression, expected) in
        [("16 * 1024", 16_384), ("4 << 20", 4 << 20), ("1_000", 1_000), ("Duration::from_secs(15 * 60)", 900)]
    {
        assert_eq!(constant(&format!("pub const A: u64 = {expression};\n"), "A"), expected);
    }
}

/// A number, with its unit.
fn told(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let times = match unit {
        "" | "s" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => panic!("{other}: which unit is that?"),
    };
    number.replace(',', "").parse::<u64>().unwrap() * times
}

/// The value of a constant, as it is written: a product, a shift, or seconds.
fn constant(source: &str, name: &str) -> u64 {
    let (_, rest) = source.split_once(&format!("const {name}: ")).unwrap_or_else(|| panic!("no {name}"));
    let value = rest.split_once("= ").unwrap().1.split(';').next().unwrap();
    let value = value.strip_prefix("Duration::from_secs(").map_or(value, |it| it.trim_end_matches(')'));
    let number =
        |text: &str| text.trim().replace('_', "").parse::<u64>().unwrap_or_else(|_| panic!("{value}"));
    match value.split_once("<<") {
        Some((left, right)) => number(left) << number(right),
        None => value.split('*').map(number).product(),
    }
}
