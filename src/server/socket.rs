//! The control socket: `hephaestus.sock` in the state directory, for its owner alone.
//!
//! A lock beside it tells a live instance from a dead one: the kernel gives it up when its holder dies, so
//! whoever gets it may remove the socket that it finds. The lock of the state directory would not do: it is given
//! back once nobody writes there any more, and the next instance may be there before this one removes its socket.
//! A path that does not fit into the address of a socket is reached through a handle of the folder.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::UnixListener;

use super::Error;

/// The name of the control socket in the state directory.
pub const SOCKET_NAME: &str = "hephaestus.sock";
/// Held by a live instance as long as it lives.
const LOCK_NAME: &str = "hephaestus.sock.lock";
/// The longest path in the address of a socket.
const LONGEST_ADDRESS: usize = 107;
/// How many connections the kernel queues.
const BACKLOG: i32 = 128;

/// The control socket of this instance; dropping it removes it.
pub(super) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    lock: File,
}

impl ControlSocket {
    /// Makes it, in place of one that a dead instance has left.
    pub(super) fn bind(state_dir: &Path) -> Result<Self, Error> {
        let path = state_dir.join(SOCKET_NAME);
        let made = fs::create_dir_all(state_dir).and_then(|()| lock(&state_dir.join(LOCK_NAME)));
        let failed = |source| Error::Socket { path: path.clone(), source };
        let lock = made.map_err(failed)?;
        let lock = lock.ok_or_else(|| Error::Occupied { state_dir: state_dir.to_owned() })?;
        let listener = listen(&path).map_err(failed)?;
        Ok(Self { listener, path, lock })
    }

    pub(super) const fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // We hold the lock, so it is ours. If it cannot be removed, the next instance will do it.
        fs::remove_file(&self.path).ok();
        // Closing it would not do at once: a child that has been forked holds it until it is another program.
        rustix::fs::flock(&self.lock, FlockOperation::Unlock).ok();
    }
}

/// The lock, or none where a live instance holds it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file.into())),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::other("something that is no socket bears its name: move it away")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let reachable = Reachable::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(reachable.path())?)?;
    // Nobody can connect before `listen`, so it is never open to others.
    rustix::fs::chmod(reachable.path(), Mode::RUSR | Mode::WUSR)?;
    rustix::net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(StdUnixListener::from(socket))
}

/// A path that fits into the address of a socket.
pub(super) struct Reachable {
    path: PathBuf,
    /// Keeps the short path alive.
    _folder: Option<OwnedFd>,
}

impl Reachable {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= LONGEST_ADDRESS {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidFilename.into());
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(folder, flags, Mode::empty())?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _folder: Some(folder) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn a_dead_instance_makes_room_and_a_live_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET_NAME);
        // What a killed instance leaves: a socket that nobody listens on. It never did, since a child that another
        // test forks holds what is open here for a while.
        let dead = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&dead, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        assert!(UnixStream::connect(&path).is_err());

        let socket = ControlSocket::bind(folder.path()).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(ControlSocket::bind(folder.path()), Err(Error::Occupied { .. })));
        assert!(UnixStream::connect(&path).is_ok(), "the live one was left alone");

        drop(socket);
        assert!(!path.exists());
        assert!(ControlSocket::bind(folder.path()).is_ok());
    }

    #[tokio::test]
    async fn a_long_path_is_reached_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
        let _socket = ControlSocket::bind(&deep).unwrap();
        let path = deep.join(SOCKET_NAME);
        assert!(path.exists());
        assert!(UnixStream::connect(&path).is_err(), "the path is too long as it is");
        let reachable = Reachable::new(&path).unwrap();
        assert!(UnixStream::connect(reachable.path()).is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET_NAME);
        fs::write(&path, "mine").unwrap();
        assert!(matches!(ControlSocket::bind(folder.path()), Err(Error::Socket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
