//! What the operating system says, in the language of the person: its own words are in English, or in
//! whatever the machine speaks.

use std::borrow::Cow;
use std::io::{self, ErrorKind};

use crate::platform::{self, Withheld};

/// How sqlx begins what a socket said.
const OF_SQLX: &str = "error communicating with database: ";

/// How the standard library begins what the resolver said.
const OF_RESOLVER: &str = "failed to lookup address information";

/// `error`, if it is what the system says as Rust writes it (`… (os error 2)`), in words of ours. Rare ones
/// stay as they are.
pub fn os_error(error: &str) -> Cow<'_, str> {
    let error = error.strip_prefix(OF_SQLX).unwrap_or(error);
    if error.starts_with(OF_RESOLVER) {
        return tr!("the name could not be looked up");
    }
    let code = error.strip_suffix(')').and_then(|text| text.rsplit_once("(os error "));
    let code = code.and_then(|(_, code)| code.parse().ok());
    match code.and_then(platform::withheld) {
        Some(Withheld::Elsewhere) => {
            return tr!(
                "it is kept in OneDrive, or the like, and could not be fetched: go online, and let it always be kept on this device"
            );
        }
        Some(Withheld::InUse) => return tr!("another program has it open: close it there"),
        None => {}
    }
    let kind = code.map(|code| io::Error::from_raw_os_error(code).kind());
    match kind {
        Some(ErrorKind::NotFound) => tr!("there is no such file or folder"),
        Some(ErrorKind::PermissionDenied) => tr!("permission denied"),
        Some(ErrorKind::AlreadyExists) => tr!("it exists already"),
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => tr!("no space is left on the disk"),
        Some(ErrorKind::IsADirectory) => tr!("it is a folder"),
        Some(ErrorKind::NotADirectory) => tr!("a folder of its path is a file"),
        Some(ErrorKind::InvalidFilename) => tr!("the name is too long, or none that the disk takes"),
        Some(ErrorKind::ReadOnlyFilesystem) => tr!("the disk is read-only"),
        Some(ErrorKind::ConnectionRefused) => tr!("the connection was refused: nothing listens there"),
        Some(ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe) => {
            tr!("the connection broke")
        }
        Some(ErrorKind::TimedOut) => tr!("it took too long"),
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => tr!("no way leads there"),
        Some(ErrorKind::AddrInUse) => tr!("the port is in use already"),
        _ => Cow::Borrowed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_often_is_in_our_words() {
        for (code, expected) in [
            (2, "there is no such file or folder"),
            (13, "permission denied"),
            (36, "the name is too long, or none that the disk takes"),
            (28, "no space is left on the disk"),
            (111, "the connection was refused: nothing listens there"),
        ] {
            let error = io::Error::from_raw_os_error(code).to_string();
            assert_eq!(os_error(&error), expected, "{error}");
            assert_eq!(os_error(&format!("{OF_SQLX}{error}")), expected, "{error}");
        }
        let lost = "failed to lookup address information: Name or service not known";
        assert_eq!(os_error(lost), "the name could not be looked up");
        for other in ["", "a file (os error )", "it is odd (os error 4095)", "SQLSTATE 42501"] {
            assert_eq!(os_error(other), other);
        }
    }
}
