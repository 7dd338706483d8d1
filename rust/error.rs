//! Everything that can go wrong in the core, one variant a cause.

/// The core's error. The binding turns it into Python's own exception types.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An argument has a value that it must not have.
    #[error("{argument}: {problem}")]
    Invalid {
        /// The argument's name, as in the Python API.
        argument: &'static str,
        /// What is wrong with it and what would be right.
        problem: String,
    },
    /// Bytes that are not a network or a state, or are no longer.
    #[error("{0}")]
    Corrupt(String),
    /// Training was told to stop; the members are as they were before.
    #[error("stopped")]
    Stopped,
}

/// A result with the core's error.
pub type Result<T> = std::result::Result<T, Error>;

/// An [`Error::Invalid`].
pub(crate) fn invalid(argument: &'static str, problem: impl Into<String>) -> Error {
    Error::Invalid { argument, problem: problem.into() }
}

/// An [`Error::Corrupt`].
pub(crate) fn corrupt(problem: impl Into<String>) -> Error {
    Error::Corrupt(problem.into())
}
