//! What must hold of everything that is read from outside, whatever stands in it: bodies that the tests
//! (`tests/it/fuzz.rs`) and a fuzzer (`fuzz/`) feed with bytes. A body panics where something does not hold;
//! what that is stands in the room that reads.

use crate::{hubsoft, intake, outbox, report, settings, ticket};

/// A body, by the name of its corpus.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

pub const TARGETS: [Target; 10] = [
    Target { name: "sheet", run: intake::fuzz::sheet },
    Target { name: "workbook", run: intake::fuzz::workbook },
    Target { name: "header", run: intake::fuzz::header },
    Target { name: "field", run: field },
    Target { name: "answer", run: hubsoft::fuzz::answer },
    Target { name: "answer_header", run: hubsoft::fuzz::answer_header },
    Target { name: "open_list", run: hubsoft::fuzz::open_list },
    Target { name: "settings", run: settings::fuzz::settings },
    Target { name: "stored", run: outbox::fuzz::stored },
    Target { name: "results", run: report::fuzz::results },
];

/// Cells, and the request that is made of them.
fn field(bytes: &[u8]) {
    if let Some(ticket) = ticket::fuzz::field(bytes) {
        hubsoft::fuzz::request(&ticket);
    }
}

/// The target of this name.
///
/// # Panics
///
/// If there is none.
pub fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).expect("it is one of the targets")
}
