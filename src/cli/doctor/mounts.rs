//! What is mounted where, as the kernel tells it.

use std::path::{Path, PathBuf};

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where it is.
    pub(super) point: PathBuf,
    /// Its kind: `ext4`, `overlay`.
    pub(super) kind: String,
    /// Whether nothing can be written to it.
    pub(super) is_read_only: bool,
}

impl Mount {
    /// All mounts of this process; none where the kernel does not tell.
    pub(super) fn all() -> Vec<Self> {
        let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        text.lines().filter_map(Self::read).collect()
    }

    /// `36 35 98:0 /root /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw`
    fn read(line: &str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(4);
        let (point, options) = (front.next()?, front.next()?);
        let mut back = back.split(' ');
        let (kind, whole) = (back.next()?, back.nth(1).unwrap_or_default());
        let is_read_only = [options, whole].iter().any(|options| options.split(',').any(|option| option == "ro"));
        Some(Self { point: unescape(point).into(), kind: kind.to_owned(), is_read_only })
    }

    /// The mount that a path without links lies on. Of several at one place the last covers the others.
    pub(super) fn of<'m>(mounts: &'m [Self], path: &Path) -> Option<&'m Self> {
        let over = mounts.iter().filter(|mount| path.starts_with(&mount.point));
        over.max_by_key(|mount| mount.point.components().count())
    }

    /// Whether files live on another machine, which may say that it has kept what it has not, and tells of no changes.
    pub(super) fn is_remote(&self) -> bool {
        const REMOTE: &[&str] = &[
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "smbfs",
            "ceph",
            "9p",
            "afs",
            "lustre",
            "glusterfs",
            "gpfs",
            "ocfs2",
            "virtiofs",
        ];
        REMOTE.contains(&self.kind.as_str()) || self.kind.starts_with("fuse.") || self.kind == "fuse"
    }
}

/// Spaces and the like are written as `\040`.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split('\\');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let code = part.get(..3).and_then(|code| u8::from_str_radix(code, 8).ok());
        match (code, part.get(3..)) {
            (Some(code), Some(rest)) => {
                out.push(char::from(code));
                out.push_str(rest);
            }
            _ => out.extend(["\\", part]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_on_the_innermost_mount_and_of_several_there_on_the_last() {
        let text = "22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b\n\
                    30 22 8:1 / /data rw,noatime shared:4 - ext4 /dev/sda1 rw\n\
                    31 30 0:30 / /data ro - nfs4 server:/export rw\n\
                    32 22 0:31 / /with\\040space rw - tmpfs tmpfs ro\n\
                    a line that is none";
        let mounts: Vec<_> = text.lines().filter_map(Mount::read).collect();
        assert_eq!(mounts.len(), 4);
        for (path, kind, is_read_only, is_remote) in [
            ("/data/audit", "nfs4", true, true),
            ("/database", "overlay", false, false),
            ("/with space/x", "tmpfs", true, false),
        ] {
            let mount = Mount::of(&mounts, Path::new(path)).unwrap();
            assert_eq!((mount.kind.as_str(), mount.is_read_only, mount.is_remote()), (kind, is_read_only, is_remote));
        }
    }
}
