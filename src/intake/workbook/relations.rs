//! What the parts of a workbook of Office refer to (ECMA-376, part 2).

use super::super::limits::SHEETS_MAX;
use super::archive::Archive;
use super::words::Fault;
use super::xml::Xml;

pub(super) struct Relation {
    pub id: String,
    pub kind: String,
    /// The name of a part.
    pub target: String,
}

/// The part that has the workbook.
pub(super) fn book(archive: &Archive, usual: &str) -> Result<String, Fault> {
    let root = relations(archive, "")?;
    let book = root.into_iter().find(|relation| relation.kind.ends_with("/officeDocument"));
    Ok(book.map_or_else(|| usual.to_owned(), |relation| relation.target))
}

/// What a part refers to; the archive itself has no name.
pub(super) fn relations(archive: &Archive, part: &str) -> Result<Vec<Relation>, Fault> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let name = resolved(folder, &format!("_rels/{file}.rels"));
    let mut found = Vec::new();
    if !archive.has(&name) {
        return Ok(found);
    }
    Xml::new(archive.part(&name)?).each(|tag| {
        if tag.name() == "Relationship" && found.len() < 4 * SHEETS_MAX {
            let get = |name| tag.get(name).unwrap_or_default().into_owned();
            found.push(Relation {
                id: get("Id"),
                kind: get("Type"),
                target: resolved(folder, &get("Target")),
            });
        }
        Ok(())
    })?;
    Ok(found)
}

/// A part's name. Nothing outside the archive has one, however many `..` lead there.
fn resolved(folder: &str, target: &str) -> String {
    let whole = match target.strip_prefix('/') {
        Some(target) => target.to_owned(),
        None => format!("{folder}/{target}"),
    };
    let mut steps: Vec<&str> = Vec::new();
    for step in whole.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_lies_in_the_archive() {
        assert_eq!(resolved("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl", "/xl/a.xml"), "xl/a.xml");
        assert_eq!(resolved("xl", "../../../etc/passwd"), "etc/passwd");
    }
}
