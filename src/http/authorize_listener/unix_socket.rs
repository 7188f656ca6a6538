//! The Unix socket of the listener: a file whose mode says who may ask.
//!
//! A socket that somebody listens on is not taken away. One that a crash has left is; who looks and who binds are kept apart by a lock
//! on the directory, so that of two processes that start at once one gets it and the other is told.

use crate::config;
use rustix::fs::{FlockOperation, Mode};
use std::{
    fs::{self, File},
    io,
    os::{
        fd::AsFd as _,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long others may take to look and to bind.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// A Unix socket that is bound.
#[derive(Debug)]
pub(super) struct UnixSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket; removed when dropped, unless it is somebody else's by then.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Why there is no Unix socket.
#[derive(Debug, thiserror::Error)]
pub enum UnixSocketError {
    /// There is no directory for it.
    #[error("`server.authorize.unix_socket`: the directory of `{}` cannot be used; make it, for whoever runs the process", .0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// Something else is there.
    #[error("`server.authorize.unix_socket`: `{}` is there and is no socket; name another path, or move it away", .0.display())]
    NoSocket(PathBuf),
    /// Somebody listens there.
    #[error("`server.authorize.unix_socket`: somebody listens on `{}` already", .0.display())]
    InUse(PathBuf),
    /// The system refuses.
    #[error("`server.authorize.unix_socket`: cannot listen on `{}`", .0.display())]
    Bind(PathBuf, #[source] io::Error),
    /// There is no such user or group.
    #[error(
        "`server.authorize.{key}`: there is no {what} `{name}` on this machine; give its number, or a name of `{file}`"
    )]
    Account {
        /// The last part of the setting.
        key: &'static str,
        /// `user` or `group`.
        what: &'static str,
        /// What was given.
        name: String,
        /// Where it was looked up.
        file: &'static str,
    },
    /// The file cannot be made what the settings say.
    #[error("`server.authorize.unix_socket`: mode or owner of `{}` cannot be set", .0.display())]
    Access(PathBuf, #[source] io::Error),
}

impl UnixSocketError {
    /// Whether a setting is to blame.
    #[must_use]
    pub const fn is_of_a_setting(&self) -> bool {
        !matches!(self, Self::InUse(_) | Self::Bind(..))
    }
}

impl UnixSocket {
    /// Binds the socket of the settings, if there is to be one.
    pub(super) fn bind(settings: &config::UnixSocket) -> Result<Option<Self>, UnixSocketError> {
        let Some(path) = &settings.path else { return Ok(None) };
        let owner = settings.owner.as_deref().map(|name| account("unix_socket_owner", name)).transpose()?;
        let group = settings.group.as_deref().map(|name| account("unix_socket_group", name)).transpose()?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let held = hold(directory).map_err(|error| UnixSocketError::Directory(path.clone(), error))?;
        make_room(path)?;
        let failed = |error| UnixSocketError::Bind(path.clone(), error);
        let listener = listen(path).map_err(failed)?;
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        // From here on the file goes with what is dropped.
        let file = SocketFile { path: path.clone(), identity: (metadata.dev(), metadata.ino()) };
        drop(held);
        let access = || {
            if owner.is_some() || group.is_some() {
                std::os::unix::fs::chown(path, owner, group)?;
            }
            // Last, so that nobody gets in for a moment who is to stay out.
            fs::set_permissions(path, fs::Permissions::from_mode(settings.mode))
        };
        access().map_err(|error| UnixSocketError::Access(path.clone(), error))?;
        Ok(Some(Self { listener, file }))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// The listener, and the file that goes with it.
    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.identity);
        if is_ours {
            // The next start removes what cannot be removed now.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Holds the directory while its file is looked at and made.
fn hold(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    if !file.metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let began = Instant::now();
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if began.elapsed() < PATIENCE => thread::sleep(PAUSE),
            done => return done.map(|()| file).map_err(Into::into),
        }
    }
}

/// Removes a socket on which nobody listens.
fn make_room(path: &Path) -> Result<(), UnixSocketError> {
    let failed = |error| UnixSocketError::Bind(path.to_owned(), error);
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !there.file_type().is_socket() {
        return Err(UnixSocketError::NoSocket(path.to_owned()));
    }
    match knock(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        // Whoever does not let us in, or has its queue full, listens.
        Ok(()) | Err(_) => Err(UnixSocketError::InUse(path.to_owned())),
    }
}

/// Whether somebody listens. Waits for nobody: whoever listens may stand still with its queue full.
fn knock(path: &Path) -> io::Result<()> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&socket2::SockAddr::unix(path)?)
}

/// Binds a socket that at first nobody but its owner may use, whatever the mask of the process.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    // The file takes the socket's mode.
    rustix::fs::fchmod(socket.as_fd(), Mode::RUSR | Mode::WUSR)?;
    socket.set_nonblocking(true)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    match socket.listen(super::BACKLOG.into()) {
        Ok(()) => Ok(socket.into()),
        Err(error) => {
            drop(fs::remove_file(path));
            Err(error)
        }
    }
}

/// The number of a user or a group.
fn account(key: &'static str, name: &str) -> Result<u32, UnixSocketError> {
    let (what, file) = if key == "unix_socket_owner" { ("user", "/etc/passwd") } else { ("group", "/etc/group") };
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    // `name:password:number:...` in both files.
    let listed = fs::read_to_string(file).unwrap_or_default();
    let number = listed.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1).and_then(|number| number.parse().ok())).flatten()
    });
    number.ok_or_else(|| UnixSocketError::Account { key, what, name: name.to_owned(), file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn settings(path: &Path) -> config::UnixSocket {
        config::UnixSocket { path: Some(path.to_owned()), mode: 0o600, owner: None, group: None }
    }

    #[test]
    fn a_socket_that_is_left_is_removed_and_one_that_is_alive_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        // What a crash leaves.
        drop(UnixListener::bind(&path).unwrap());
        let first = UnixSocket::bind(&settings(&path)).unwrap().unwrap();
        let error = UnixSocket::bind(&settings(&path)).unwrap_err();
        assert!(matches!(error, UnixSocketError::InUse(_)) && !error.is_of_a_setting(), "{error}");
        assert!(UnixStream::connect(&path).is_ok(), "the first goes on");
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn who_listens_and_takes_nobody_in_keeps_no_start_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let still = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        still.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        still.listen(1).unwrap();
        // Whatever its queue takes, until it takes no more.
        let waiting: Vec<_> = std::iter::from_fn(|| {
            let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.connect(&socket2::SockAddr::unix(&path).unwrap()).is_ok().then_some(socket)
        })
        .collect();
        assert!(!waiting.is_empty());
        let error = UnixSocket::bind(&settings(&path)).unwrap_err();
        assert!(matches!(error, UnixSocketError::InUse(_)), "{error}");
        assert!(path.exists());
    }

    #[test]
    fn a_file_that_is_somebody_elses_by_then_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = UnixSocket::bind(&settings(&path)).unwrap();
        fs::rename(&path, folder.path().join("away")).unwrap();
        fs::write(&path, "another").unwrap();
        drop(socket);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another");
    }

    #[test]
    fn the_mode_is_what_the_settings_say() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o600, 0o660, 0o666, 0o200] {
            let path = folder.path().join(format!("s{mode:o}"));
            let group = Some(rustix::process::getgid().as_raw().to_string());
            let _socket = UnixSocket::bind(&config::UnixSocket { mode, group, ..settings(&path) }).unwrap();
            assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let missing = folder.path().join("missing/s");
        let nobody =
            config::UnixSocket { owner: Some("no-such-user".to_owned()), ..settings(&folder.path().join("s")) };
        for (settings, message) in [
            (settings(&file), "is there and is no socket; name another path, or move it away"),
            (settings(&missing), "cannot be used; make it, for whoever runs the process"),
            (settings(&file.join("s")), "cannot be used; make it, for whoever runs the process"),
            (nobody, "there is no user `no-such-user` on this machine"),
        ] {
            let error = UnixSocket::bind(&settings).unwrap_err();
            assert!(error.to_string().contains(message) && error.is_of_a_setting(), "{error}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "x");
    }

    #[test]
    fn names_are_looked_up() {
        for (key, name, number) in
            [("unix_socket_owner", "root", 0), ("unix_socket_group", "root", 0), ("unix_socket_owner", "4711", 4711)]
        {
            assert_eq!(account(key, name).unwrap(), number);
        }
    }
}
