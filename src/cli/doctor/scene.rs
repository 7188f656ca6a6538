//! What the checks look at: settings, data directory, policy set, and the instance if one answers.

use super::{DoctorArgs, instance::Instance, mounts::Mount};
use crate::{
    audit::{self, OpenError, Sight},
    cli::{
        ExitCode,
        remote::{CredentialArgs, Remote, RemoteError, runtime},
    },
    config::{self, Settings, Sources, Tls},
    document::{Diagnostic, Diagnostics, Text},
    lifecycle::Clock,
    model::Timestamp,
    policy::{self, Files, Options, Snapshot},
};
use std::{
    cell::OnceCell,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::runtime::Runtime;

/// How long whoever is asked may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Everything there is to look at.
pub(super) struct Scene {
    /// Whether the settings can be used; the defaults stand in for them where they cannot.
    pub(super) loaded: Result<(), config::Error>,
    pub(super) settings: Settings,
    pub(super) file: Option<PathBuf>,
    /// The command that looks at the same configuration.
    pub(super) check_config: String,
    /// The time of this process.
    pub(super) now: Timestamp,
    /// The audit log as it is seen from outside.
    pub(super) sight: Result<Sight, OpenError>,
    /// What an instance says that answers, and why there is no answer otherwise.
    pub(super) instance: Option<Instance>,
    pub(super) silence: Option<RemoteError>,
    /// Where it was asked, and whether `--ops` and `--admin` say that somebody is there.
    pub(super) ops_address: String,
    pub(super) names_ops: bool,
    pub(super) names_admin: bool,
    /// The admin listener, ready to be asked.
    pub(super) admin: Result<Remote, RemoteError>,
    pub(super) runtime: Runtime,
    mounts: Vec<Mount>,
    set: OnceCell<Result<(Files, Snapshot), Diagnostics>>,
}

impl Scene {
    /// Reads the settings, looks at the data directory and asks whether anybody is there.
    pub(super) fn look(args: &DoctorArgs) -> Result<Self, RemoteError> {
        let sources = args.settings.sources();
        let (loaded, settings) = match config::load(&sources) {
            Ok(settings) => (Ok(()), settings),
            Err(error) => (Err(error), Settings::default()),
        };
        let Sources { file, .. } = sources;
        let server = &settings.server;
        let ops = remote(args.ops.as_deref(), server.ops_listen, &server.ops_tls, &args.credentials.without_token());
        let admin = remote(args.admin.as_deref(), server.admin_listen, &server.admin_tls, &args.credentials);
        // What was typed wrong is for the one who typed it.
        for (given, made) in [(&args.ops, &ops), (&args.admin, &admin)] {
            if let (Some(address), Err(RemoteError::Address { .. } | RemoteError::Trust(_))) = (given, made) {
                drop(Remote::new(address, &args.credentials)?);
            }
        }
        let ops_address = ops.as_ref().map_or_else(|_| reachable(server.ops_listen).to_string(), Remote::authority);
        let (instance, silence) = match ops.and_then(|ops| Instance::ask(&ops)) {
            Ok(instance) => (Some(instance), None),
            Err(error) => (None, Some(error)),
        };
        Ok(Self {
            loaded,
            file,
            check_config: args.settings.typed_behind("sidegate serve --check-config"),
            now: Clock::system().now(),
            sight: audit::look(&settings.audit.directory),
            instance,
            silence,
            ops_address,
            names_ops: args.ops.is_some(),
            names_admin: args.admin.is_some(),
            admin,
            runtime: runtime()?,
            mounts: Mount::all(),
            set: OnceCell::new(),
            settings,
        })
    }

    /// The data directory.
    pub(super) fn data(&self) -> &Path {
        &self.settings.audit.directory
    }

    /// Whether a process has the data directory.
    pub(super) fn is_in_use(&self) -> bool {
        self.sight.as_ref().is_ok_and(|sight| sight.is_in_use)
    }

    /// Where a path, or what of it is there, is mounted.
    pub(super) fn mount(&self, path: &Path) -> Option<&Mount> {
        Mount::of(&self.mounts, &nearest(path))
    }

    /// The policy set as the files have it now.
    pub(super) fn set(&self) -> Result<&(Files, Snapshot), &Diagnostics> {
        self.set.get_or_init(|| self.compile(&self.settings.policies.directory)).as_ref()
    }

    /// Another set, compiled in the same way.
    pub(super) fn compile(&self, directory: &Path) -> Result<(Files, Snapshot), Diagnostics> {
        let policies = &self.settings.policies;
        let options =
            Options { forbid_errors: policies.forbid_errors, principal_type: policies.principal_type.clone() };
        let files = policy::read(directory)?;
        if files.is_empty() {
            let here = Text::absent(directory.display().to_string());
            return Err(Diagnostic::whole("empty-set", &here, "there is no policy file in the directory").into());
        }
        let snapshot = policy::compile(&files, &options)?;
        Ok((files, snapshot))
    }
}

/// A listener, at the address that was given or at that of the settings.
fn remote(
    given: Option<&str>,
    listen: SocketAddr,
    tls: &Tls,
    credentials: &CredentialArgs,
) -> Result<Remote, RemoteError> {
    let scheme = if tls.certificate.is_some() { "https" } else { "http" };
    let configured = format!("{scheme}://{}", reachable(listen));
    let without_files;
    let credentials = if given.is_none() && scheme == "http" {
        without_files = credentials.without_certificates();
        &without_files
    } else {
        credentials
    };
    Ok(Remote::new(given.unwrap_or(&configured), credentials)?.with_patience(PATIENCE))
}

/// An address under which a listener of this machine answers: that of all interfaces is none.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The path itself, or the nearest directory above it that is there.
pub(super) fn nearest(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    whole.ancestors().find_map(|path| path.canonicalize().ok()).unwrap_or(whole)
}

/// The exit code of a set that has errors.
pub(super) const REFUSED: ExitCode = ExitCode::PolicyErrors;
