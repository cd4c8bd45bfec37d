//! What is said of all systems in the same words.

/// What a system of owners and modes says of a file.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// The number of its owner.
    pub owner: u32,
    /// The number of who runs this process.
    pub ours: u32,
    /// Who may do what with it: the twelve bits of `chmod`.
    pub mode: u32,
}

/// What tells a run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A person at the keyboard.
    Interrupt,
    /// The system, or a terminal that was closed.
    Terminate,
}

/// What a service manager hears.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    Ready,
    Stopping,
    Alive,
    /// For people.
    Status(&'a str),
}

/// How a command is quoted, by who reads it.
#[cfg_attr(not(windows), expect(dead_code, reason = "another system has them"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// What bash, zsh and the like have in common.
    Posix,
    /// `cmd.exe` of Windows.
    Cmd,
    PowerShell,
}

/// What only some systems say of a file that cannot be had.
#[cfg_attr(not(windows), expect(dead_code, reason = "another system has them"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// Its content is kept elsewhere (OneDrive), and could not be fetched.
    Elsewhere,
    /// Another program has it open, and shares it with nobody.
    InUse,
}
