//! What we build on: by `deny.toml`, also where cargo-deny is not installed. Advisories are its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The crates that are built for our platform, as cargo tells of them.
fn packages() -> Vec<Value> {
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).expect("it is JSON");
    let id = |of: &Value| of["id"].as_str().unwrap().to_owned();
    let built: BTreeSet<String> = told["resolve"]["nodes"].as_array().unwrap().iter().map(id).collect();
    let all = told["packages"].as_array().unwrap().iter();
    all.filter(|package| built.contains(&id(package))).cloned().collect()
}

/// The licences of `deny.toml`.
fn allowed() -> BTreeSet<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let list = page.split_once("[licenses]\nallow = [").unwrap().1.split(']').next().unwrap().to_owned();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether one of the alternatives of an SPDX expression is allowed as a whole.
fn is_allowed(license: &str, allowed: &BTreeSet<String>) -> bool {
    let flat = license.replace(['(', ')'], "").replace('/', " OR ");
    flat.split(" OR ").any(|choice| choice.split(" AND ").all(|one| allowed.contains(one.trim())))
}

#[test]
fn every_crate_comes_from_the_registry_under_a_licence_that_we_accept() {
    let (packages, allowed) = (packages(), allowed());
    assert!(100 < packages.len() && 5 < allowed.len(), "it looked elsewhere");
    for package in packages.iter().filter(|package| package["name"] != "mutirao") {
        let name = &package["name"];
        assert_eq!(package["source"], "registry+https://github.com/rust-lang/crates.io-index", "{name}");
        let license = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(license, &allowed), "{name}: {license:?}");
    }
}

#[test]
fn a_licence_is_read_as_spdx_has_it() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned()]);
    for (license, is_fine) in [
        ("MIT", true),
        ("GPL-3.0 OR MIT", true),
        ("MIT/Apache-2.0", true),
        ("MIT AND ISC", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(license, &allowed), is_fine, "{license}");
    }
}

/// `simulation/` builds some rooms by themselves: what they stand on, and what they know of others.
#[test]
fn the_simulation_by_itself_stands_on_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    // Each stands in a line of its own.
    let crates = |name: &str| -> BTreeMap<String, String> {
        let page = read(name);
        let tables =
            page.split("\n[").filter(|part| part.split(']').next().unwrap().ends_with("dependencies"));
        let lines = tables.flat_map(|table| table.lines().skip(1));
        let each = lines.filter_map(|line| line.split_once(" = "));
        // One may be called otherwise here than it is.
        let quoted = |told: &str, behind: &str| {
            let rest = told.split_once(behind).map(|(_, rest)| rest)?;
            rest.split('"').nth(1).map(str::to_owned)
        };
        each.map(|(name, told)| {
            let version = quoted(told, "version = ").or_else(|| quoted(told, ""));
            (quoted(told, "package = ").unwrap_or_else(|| name.to_owned()), version.unwrap_or_default())
        })
        .collect()
    };
    let ours = crates("Cargo.toml");
    let theirs = crates("simulation/Cargo.toml");
    assert!(20 < theirs.len(), "it looked elsewhere");
    for (name, version) in theirs {
        assert_eq!(ours.get(&name), Some(&version), "{name}, of which simulation/Cargo.toml has {version}");
    }
    let core = read("simulation/core.rs");
    for (name, value) in [
        ("LEASE", format!("Duration::from_secs({})", mutirao::outbox::LEASE.as_secs())),
        ("RENEWALS", mutirao::outbox::postgres::RENEWALS.to_string()),
        ("RENEWALS_BEFORE_RESCUE", mutirao::outbox::postgres::RENEWALS_BEFORE_RESCUE.to_string()),
    ] {
        let line = core.lines().find(|line| line.contains(&format!("const {name}:"))).expect(name);
        assert!(line.ends_with(&format!("= {value};")), "{line}, and it is {value}");
    }
}
