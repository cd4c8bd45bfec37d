//! How to log in to a sandbox.

/// How to log in: another secret and password at each start, so that nobody else on this machine puts tickets
/// among those of a run, or reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxCredentials {
    pub client_id: String,
    pub client_secret: String,
    pub username: String,
    pub password: String,
}

impl SandboxCredentials {
    pub(super) fn random() -> Self {
        Self {
            client_id: "1".to_owned(),
            client_secret: format!("{:016x}{:016x}", random(), random()),
            username: "sandbox@example.com".to_owned(),
            password: format!("{:016x}{:016x}", random(), random()),
        }
    }
}

pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("a system gives random numbers to everybody once it has booted");
    u64::from_ne_bytes(bytes)
}
