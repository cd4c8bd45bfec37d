//! Which service of a customer is meant: his only active one, and never a guess.

use crate::hubsoft::{ShownCustomer, ShownService};
use crate::intake::Found;
use crate::ticket::folded_name;

/// Services that a problem tells of.
const TOLD_MAX: usize = 5;

/// What is known of the customers with one number; most often there is one.
pub(super) fn choose(customers: &[ShownCustomer]) -> Found {
    let active: Vec<(&ShownCustomer, &ShownService)> = customers
        .iter()
        .flat_map(|customer| customer.services.iter().map(move |service| (customer, service)))
        .filter(|(_, service)| service.is_active)
        .collect();
    match active[..] {
        [(customer, service)] => {
            let names = customer.names.iter().map(|name| folded_name(name).into_boxed_str());
            Found::One { service: service.id, names: names.filter(|name| !name.is_empty()).collect() }
        }
        [] if customers.is_empty() => Found::Unknown,
        [] => {
            let all = customers.iter().flat_map(|customer| &customer.services);
            Found::Without {
                candidates: told(all, |service| {
                    format!("{} {}, {}", service.id.get(), service.plan, service.status)
                }),
            }
        }
        [..] => {
            let all = active.iter().map(|(_, service)| *service);
            Found::Several {
                candidates: told(all, |service| format!("{} {}", service.id.get(), service.plan)),
            }
        }
    }
}

fn told<'a>(
    services: impl Iterator<Item = &'a ShownService>,
    in_words: impl Fn(&ShownService) -> String,
) -> Box<str> {
    let mut all: Vec<String> = services.map(in_words).collect();
    if TOLD_MAX < all.len() {
        all.truncate(TOLD_MAX);
        all.push("…".to_owned());
    }
    all.join("; ").into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::Id;

    fn service(id: i64, is_active: bool) -> ShownService {
        let status = if is_active { "Serviço Habilitado" } else { "Suspenso" };
        ShownService {
            id: Id::new(id).unwrap(),
            plan: "500M".to_owned(),
            status: status.to_owned(),
            is_active,
        }
    }

    fn chosen(customers: &[&[(i64, bool)]]) -> String {
        let shown = |services: &&[(i64, bool)]| ShownCustomer {
            names: vec!["Ana Souza".to_owned()],
            services: services.iter().map(|(id, is_active)| service(*id, *is_active)).collect(),
        };
        match choose(&customers.iter().map(shown).collect::<Vec<_>>()) {
            Found::One { service, names } => format!("{} of {}", service.get(), names.join("/")),
            Found::Several { candidates } => format!("several: {candidates}"),
            Found::Without { candidates } => format!("none: {candidates}"),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    #[test]
    fn the_only_active_service_is_taken_and_nothing_is_guessed() {
        assert_eq!(chosen(&[&[(7, true)]]), "7 of ana souza");
        assert_eq!(chosen(&[&[(8, false), (7, true)]]), "7 of ana souza");
        assert_eq!(chosen(&[&[(7, true), (8, true)]]), "several: 7 500M; 8 500M");
        assert_eq!(chosen(&[&[(8, false)]]), "none: 8 500M, Suspenso");
        assert_eq!(chosen(&[&[]]), "none: ");
        assert_eq!(chosen(&[]), "unknown");
        // One document, and two customers.
        assert_eq!(chosen(&[&[(8, false)], &[(7, true)]]), "7 of ana souza");
        assert_eq!(chosen(&[&[(8, true)], &[(7, true)]]), "several: 8 500M; 7 500M");
        let many: Vec<(i64, bool)> = (1..9).map(|id| (id, true)).collect();
        assert!(chosen(&[&many]).ends_with("5 500M; …"));
    }
}
