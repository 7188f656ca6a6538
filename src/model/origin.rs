//! Through which door a decision or a change came.

/// Where a record came from (`source` on the wire).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// `POST /v1/authorize`
    Native,
    /// AuthZEN.
    Authzen,
    /// Envoy `ext_authz`.
    Envoy,
    /// nginx, Traefik, Caddy.
    ForwardAuth,
    /// The admin listener.
    Admin,
    /// The command line, and the process itself.
    Cli,
}

impl Origin {
    /// Every origin, in the order of the contract.
    pub const ALL: &[Self] = &[Self::Native, Self::Authzen, Self::Envoy, Self::ForwardAuth, Self::Admin, Self::Cli];

    /// The word as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Authzen => "authzen",
            Self::Envoy => "envoy",
            Self::ForwardAuth => "forward_auth",
            Self::Admin => "admin",
            Self::Cli => "cli",
        }
    }

    /// Reads the word of the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.as_str() == text)
    }
}
