//! What a ticket is: a [`RawTicket`] (text, as a person or a program wrote it) becomes a [`Ticket`],
//! whose types cannot hold a wrong value, or all of its [`Problem`]s at once. No I/O, no clock.

mod boolean;
mod cell;
pub mod code;
mod customer;
mod ddd;
mod email;
mod fields;
#[cfg(feature = "inside")]
pub(crate) mod fuzz;
mod id;
mod params;
mod parse;
mod person;
mod phone;
mod problem;
mod raw;
mod text;
mod valid;
mod words;

pub use cell::{is_blank, is_formula_error, is_vacant, trim};
pub use customer::{Customer, CustomerKey};
pub use ddd::Ddd;
pub use email::Email;
pub use fields::{ByField, Catalogue, Field, Kind};
pub use id::{Id, listed};
pub use person::{folded_name, may_be_named};
pub use phone::{Phone, fill_ddd, is_without_ddd};
pub use problem::Problem;
pub(crate) use problem::{cut, in_words, shown};
pub use raw::RawTicket;
pub use text::{Text, normal};
pub use valid::{Parsed, Ticket, Value};
pub(crate) use words::{
    CUSTOMER_NOT_ASKED, CUSTOMER_OTHER, CUSTOMER_REFUSED, CUSTOMER_SEVERAL, CUSTOMER_UNKNOWN,
    CUSTOMER_UNREADABLE, CUSTOMER_WITHOUT, PHONE_DDD_FILLED, REQUIRED, Words,
};
#[cfg(test)]
pub(crate) use words::{NOT_A_DDD, TABLE as WORDS};
