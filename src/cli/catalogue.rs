//! `catalogue`: the ids that a tenant knows, with what they are called.

use serde_json::{Map, Value, json};

use super::exit::Exit;
use super::failure::Failure;
use super::screen::Screen;
use crate::app::catalogue::{Listed, catalogues};
use crate::app::target::Target;
use crate::language::said;
use crate::settings::{Flags, Sending, Sources};

pub async fn catalogue(flags: &Flags<Sending>, sources: &Sources, screen: &Screen) -> Result<Exit, Failure> {
    let sending = sources.resolve(flags)?;
    let target = Target::new(sources, &sending)?;
    screen.note(tr!("reading the catalogues of %{host}", host = target.named));
    let mut exit = Exit::Done;
    let mut all = Map::new();
    catalogues(&target, sending.rate, |catalogue, listed| {
        let name = said(catalogue.name);
        let entries = match listed {
            Listed::Entries(entries) => entries,
            Listed::Denied(why) => {
                exit = Exit::Denied;
                all.insert(catalogue.id.to_owned(), Value::Null);
                return screen.warn(tr!(
                    "%{name}: this user may not read them: %{why}",
                    name = name,
                    why = why
                ));
            }
            Listed::Unread(why) => {
                exit = if exit == Exit::Done { Exit::Guard } else { exit };
                all.insert(catalogue.id.to_owned(), Value::Null);
                return screen.warn(tr!("%{name}: they cannot be read: %{why}", name = name, why = why));
            }
        };
        if screen.json {
            let entries = entries.iter().map(|entry| json!({"id": entry.id, "label": entry.label}));
            all.insert(catalogue.id.to_owned(), entries.collect());
            return;
        }
        screen.result(tr!("%{name}, for the column %{id}", name = name, id = catalogue.id));
        for entry in entries {
            screen.result(format!("{:>8}  {}", entry.id, entry.label));
        }
    })
    .await?;
    if screen.json {
        screen.result_json(json!({"version": 1, "catalogues": all}).to_string());
    }
    Ok(exit)
}
