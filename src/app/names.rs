//! Names of batches and of their folders, such that no spreadsheet rewrites them.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use crate::ticket::code::BatchCode;

/// Another one each time.
pub fn random() -> BatchCode {
    // Seeded anew for each `RandomState` from the system's randomness; 28 of its bits are enough to tell
    // batches of one name apart.
    BatchCode::of_bits(RandomState::new().hash_one(()) as u32)
}

/// The name of a batch beside another one: `queda-HKTRWMBD`.
pub fn beside(base: &str, code: BatchCode) -> String {
    format!("{base}-{code}")
}

/// The name of a file's batch in an outbox that many share: `queda-20261126-HKTRWMBD`.
pub fn shared(base: &str, now: Timestamp, code: BatchCode) -> String {
    let day: civil::Date = TimeZone::system().to_datetime(now).date();
    format!("{base}-{}-{code}", day.strftime("%Y%m%d"))
}

/// Whether `name` is one of [`beside`] or [`shared`] for `base`, or `base` itself.
pub fn is_of(name: &str, base: &str) -> bool {
    code_of(name, base).is_some() || name == base
}

/// The code in a name of [`beside`] or [`shared`] for `base`.
pub fn code_of(name: &str, base: &str) -> Option<BatchCode> {
    let rest = name.strip_prefix(base)?.strip_prefix('-')?;
    let code = match rest.split_once('-') {
        Some((day, code)) if day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()) => code,
        Some(_) => return None,
        None => rest,
    };
    BatchCode::read(code)
}

/// What [`beside`] made `path` from: the path of `base`, and the code.
pub fn with_code(path: &Path) -> Option<(PathBuf, BatchCode)> {
    let (base, code) = path.file_name()?.to_str()?.rsplit_once('-')?;
    Some((path.with_file_name(base), BatchCode::read(code)?))
}

/// The folder of a batch beside that of `folder`: `queda.HKTRWMBD.mutirao`, or `out.HKTRWMBD`.
pub fn folder_beside(folder: &Path, code: BatchCode) -> PathBuf {
    let (stem, suffix) = halves(folder);
    folder.with_file_name(format!("{stem}.{code}{suffix}"))
}

/// The folders that [`folder_beside`] made, and `folder` itself, as far as they are there.
pub fn folders_of(folder: &Path) -> Vec<PathBuf> {
    let (stem, suffix) = halves(folder);
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_one = |name: &str| {
        let code = name.strip_prefix(&stem)?.strip_prefix('.')?.strip_suffix(suffix)?;
        BatchCode::read(code)
    };
    let beside = std::fs::read_dir(parent).into_iter().flatten().filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        is_one(&name).map(|_| folder.with_file_name(name))
    });
    let mut found: Vec<PathBuf> = beside.chain([folder.to_owned()]).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

/// All work folders in `here`, by name.
pub fn work_folders_in(here: &Path) -> Vec<PathBuf> {
    let listed = if here.as_os_str().is_empty() { Path::new(".") } else { here };
    let names =
        std::fs::read_dir(listed).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.file_name()));
    let folders = names.map(|name| here.join(name));
    let mut found: Vec<_> = folders
        .filter(|path| path.extension().is_some_and(|ending| ending == "mutirao") && path.is_dir())
        .collect();
    found.sort();
    found
}

fn halves(folder: &Path) -> (String, &'static str) {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.strip_suffix(".mutirao") {
        Some(stem) => (stem.to_owned(), ".mutirao"),
        None => (name, ""),
    }
}

/// `name`, made so that a spreadsheet program leaves it as it is: it reads dates, numbers, formulas and
/// truths into cells, and our files would come back with another name.
pub fn safe(name: &str) -> String {
    let name = name.trim();
    if is_rewritten(name) {
        format!("lote-{}", name.trim_start_matches(['=', '+', '-', '@', '\'']))
    } else {
        name.to_owned()
    }
}

/// Whether a spreadsheet program may take `name` for something else than text. Careful: what starts with a
/// letter and is neither a month nor a truth is left alone by all of them; of other texts only some are
/// rewritten.
fn is_rewritten(name: &str) -> bool {
    const MONTHS: [&str; 23] = [
        "janeiro",
        "fevereiro",
        "março",
        "marco",
        "abril",
        "maio",
        "junho",
        "julho",
        "agosto",
        "setembro",
        "outubro",
        "novembro",
        "dezembro",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "october",
        "december",
    ];
    const TRUTHS: [&str; 4] = ["verdadeiro", "falso", "true", "false"];
    let lower = name.to_lowercase();
    let word: String = lower.chars().take_while(|c| c.is_alphabetic()).collect();
    // `nov-24`, `mar 2026`: in full or cut, wherever there is a number to make a date with.
    let is_month = 3 <= word.chars().count()
        && MONTHS.iter().any(|month| month.starts_with(&word))
        && lower.chars().any(|c| c.is_ascii_digit());
    word.is_empty() || is_month || TRUTHS.contains(&&*lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_spreadsheet_rewrites_are_not_made() {
        for (name, expected) in [
            ("queda", "queda"),
            ("Queda de fibra", "Queda de fibra"),
            ("outra", "outra"),
            ("março", "março"),
            ("24-11", "lote-24-11"),
            ("1e5", "lote-1e5"),
            ("0123", "lote-0123"),
            ("-x", "lote-x"),
            ("=a", "lote-a"),
            ("@soma", "lote-soma"),
            ("nov-24", "lote-nov-24"),
            ("dez 2026", "lote-dez 2026"),
            ("verdadeiro", "lote-verdadeiro"),
            ("10%", "lote-10%"),
            ("(1)", "lote-(1)"),
        ] {
            assert_eq!(safe(name), expected);
            assert_eq!(safe(expected), expected, "it stays");
        }
    }

    #[test]
    fn names_and_folders_tell_what_they_were_made_from() {
        let code = random();
        let name = shared("queda", Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(48), code);
        assert!(name.starts_with("queda-197001"), "{name}");
        for made in [name, beside("queda", code)] {
            assert_eq!(code_of(&made, "queda"), Some(code));
            assert!(is_of(&made, "queda") && !is_of(&made, "que") && !is_of(&made, "queda-x"), "{made}");
            assert_eq!(safe(&made), made);
        }
        assert!(is_of("queda", "queda") && !is_of("queda-norte", "queda"));
        let here = tempfile::tempdir().unwrap();
        for (folder, expected) in [
            ("queda.mutirao", format!("queda.{code}.mutirao")),
            ("queda.sandbox.mutirao", format!("queda.sandbox.{code}.mutirao")),
            ("out", format!("out.{code}")),
        ] {
            let folder = here.path().join(folder);
            let beside = folder_beside(&folder, code);
            assert_eq!(beside, here.path().join(expected));
            assert_eq!(folders_of(&folder), [] as [PathBuf; 0]);
            std::fs::create_dir(&folder).unwrap();
            std::fs::create_dir(&beside).unwrap();
            let mut both = vec![folder.clone(), beside];
            both.sort();
            assert_eq!(folders_of(&folder), both);
        }
    }
}
