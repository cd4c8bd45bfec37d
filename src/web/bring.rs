//! Where a sheet is chosen, or dropped.

use maud::{Markup, html};

/// A field for files takes both.
pub fn bring(label: &str) -> Markup {
    html! {
        form.bring method="post" action="/sheets" enctype="multipart/form-data" {
            label for="sheet" { (label) }
            input #sheet name="sheet" type="file" required;
            button { (tr!("Check")) }
            p { small { (tr!("It is only checked; nothing is sent before you say so.")) } }
        }
    }
}
