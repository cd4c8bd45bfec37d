//! How sheets are to be read, as forms said it. What all tickets say is longer than an address may be: it is
//! kept here, and an address has its name alone, so that a page can be loaded again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::form::Form;
use super::secret::Secret;
use crate::registry::UserName;

/// That are kept; of one more, the oldest goes. And of one person's. Each is as long as a form may be.
const KEPT_MAX: usize = 128;
const KEPT_OF_ONE_MAX: usize = 16;

/// `None`: whoever brought the key.
type Who = Option<UserName>;

#[derive(Default)]
pub struct Readings(Mutex<VecDeque<Kept>>);

struct Kept {
    who: Who,
    name: Secret,
    form: Form,
}

impl Readings {
    /// Keeps what a person said. Returns what it is called from now on.
    pub fn keep(&self, who: Option<&UserName>, form: Form) -> String {
        let (mut all, name) = (self.all(), Secret::new());
        let called = name.text().to_owned();
        let mut n_of_one = 1;
        all.retain(|kept| {
            n_of_one += usize::from(kept.who.as_ref() == who);
            kept.who.as_ref() != who || n_of_one <= KEPT_OF_ONE_MAX
        });
        all.truncate(KEPT_MAX - 1);
        all.push_front(Kept { who: who.cloned(), name, form });
        called
    }

    /// What this person said, if it is kept still.
    pub fn find(&self, who: Option<&UserName>, name: &str) -> Option<Form> {
        let is_it = |kept: &&Kept| kept.who.as_ref() == who && kept.name.text() == name;
        self.all().iter().find(is_it).map(|kept| kept.form.clone())
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_said_is_theirs_and_the_oldest_of_it_goes() {
        let readings = Readings::default();
        let [ana, bia] = ["ana", "bia"].map(|name| name.parse::<UserName>().ok());
        let form = |text: &str| Form::of(vec![("sheet".to_owned(), text.to_owned())]);
        let said = |who: &Who, name: &str| {
            readings.find(who.as_ref(), name).map(|form| form.get("sheet").unwrap().to_owned())
        };
        let of_bia = readings.keep(bia.as_ref(), form("b"));
        let of_ana: Vec<_> =
            (0..=KEPT_OF_ONE_MAX).map(|n| readings.keep(ana.as_ref(), form(&n.to_string()))).collect();
        assert_eq!(said(&ana, &of_ana[0]), None, "one more");
        assert_eq!(said(&ana, &of_ana[1]).as_deref(), Some("1"));
        assert_eq!(said(&bia, &of_bia).as_deref(), Some("b"), "it holds up nobody else");
        assert!([&ana, &None].iter().all(|who| said(who, &of_bia).is_none()), "nor is it theirs");
        for n in 0..KEPT_MAX {
            readings.keep(format!("user{n}").parse().ok().as_ref(), form("x"));
        }
        assert_eq!((said(&bia, &of_bia), readings.all().len()), (None, KEPT_MAX));
    }
}
