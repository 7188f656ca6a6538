//! Where an instance that is stopped would listen.

use crate::cli::doctor::{finding::Findings, scene::Scene};
use rustix::{fs::Access, process::geteuid};
use std::{
    fs, io,
    net::TcpListener,
    os::unix::{fs::FileTypeExt as _, net::UnixStream},
    path::Path,
};

pub(super) fn ports(scene: &Scene, found: &mut Findings) {
    if scene.instance.is_some() || scene.is_in_use() {
        return found.ok("they are the instance's own");
    }
    let server = &scene.settings.server;
    let listeners =
        [("authorize", server.authorize.listen), ("admin", server.admin_listen), ("ops", server.ops_listen)];
    for (listener, address) in listeners {
        let Err(error) = TcpListener::bind(address) else { continue };
        let key = format!("server.{listener}.listen");
        let port = address.port();
        let mend = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("`ss -ltnp 'sport = :{port}'` names who has it; end that process, or name another port")
            }
            io::ErrorKind::AddrNotAvailable => {
                "it is none of this machine's addresses; `0.0.0.0` stands for all of them".to_owned()
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 are the system's; name a higher one".to_owned(),
            _ => "name another address".to_owned(),
        };
        let what = if error.kind() == io::ErrorKind::AddrInUse {
            "is taken".to_owned()
        } else {
            format!("cannot be used: {error}")
        };
        found.error(format!("`{key}`: {address} {what}"), mend);
    }
    if found.is_well() {
        found.ok("all addresses are free");
    }
}

pub(super) fn unix_socket(scene: &Scene, found: &mut Findings) {
    let Some(path) = &scene.settings.server.authorize.unix_socket.path else { return found.ok("there is none") };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let shown = path.display();
    if let Err(error) = rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK) {
        let user = geteuid().as_raw();
        return found.error(
            format!("`server.authorize.unix_socket`: user {user} cannot use `{}`: {error}", directory.display()),
            "make the directory, for whoever runs the process",
        );
    }
    match fs::symlink_metadata(path) {
        Err(_) if scene.instance.is_none() => found.ok(format!("`{shown}` can be made")),
        Err(_) => found.warning(
            format!("`{shown}` is gone while the instance runs: nobody can ask through it"),
            "start the instance again; nobody else may tidy that directory",
        ),
        Ok(there) if !there.file_type().is_socket() => found.error(
            format!("`server.authorize.unix_socket`: `{shown}` is there and is no socket"),
            "move it away, or name another path",
        ),
        Ok(_) if scene.instance.is_some() || scene.is_in_use() => found.ok(format!("`{shown}` is there")),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                found.ok(format!("`{shown}` is left from a crash; the start removes it"));
            }
            _ => found.error(
                format!("`server.authorize.unix_socket`: somebody listens on `{shown}`"),
                "end that process, or name another path",
            ),
        },
    }
}
