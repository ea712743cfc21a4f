//! A disk of a few megabytes: a tmpfs that one process and its children see, and that goes with them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The disk of a process that was started by [`wrapper`].
pub(crate) struct SmallDisk {
    process: u32,
    /// As that process names it.
    folder: PathBuf,
}

/// What a program and its arguments stand behind to be started with a tmpfs of these options at `folder`, after `script` was run there. As root in
/// a mount namespace of its own, as anybody else in a user namespace as well.
pub(crate) fn wrapper(folder: &Path, options: &str, script: &str) -> Vec<String> {
    fs::create_dir_all(folder).unwrap();
    let mut words = unshare();
    let script = format!(r#"set -e; mount -t tmpfs -o "$1" small "$2"; shift; cd "$1"; shift; {script} exec "$@""#);
    words.extend(["sh", "-c", &script, "sh", options, folder.to_str().unwrap()].map(str::to_owned));
    words
}

/// What stands between a [`wrapper`] and a program that refuses to run as root: in a user namespace everybody is, until they are themselves again in
/// another one.
pub(crate) fn as_oneself() -> Vec<String> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if user.is_root() {
        return Vec::new();
    }
    ["unshare".to_owned(), "--user".to_owned(), format!("--map-user={user}"), format!("--map-group={group}")].into()
}

/// The words before a command that gets a mount namespace of its own. A machine that has none of the ways fails the test, and is told what it needs.
fn unshare() -> Vec<String> {
    let words: &[&str] = if rustix::process::geteuid().is_root() {
        &["unshare", "--mount", "--propagation=private"]
    } else {
        &["unshare", "--user", "--map-root-user", "--mount", "--propagation=private"]
    };
    let tried = Command::new(words[0]).args(&words[1..]).args(["mount", "-t", "tmpfs", "-o", "size=1m", "test", "/mnt"]).output();
    let problem = match tried {
        Ok(tried) if tried.status.success() => return words.iter().map(|&word| word.into()).collect(),
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!(
        "this test fills a disk, for which it mounts a tmpfs in a mount namespace (`{}`): it needs to run as root with CAP_SYS_ADMIN, or \
         user namespaces (sysctl kernel.unprivileged_userns_clone=1), and unshare and mount of util-linux. Here: {problem}",
        words.join(" ")
    );
}

/// Puts words before a command, whose output goes to `log` again.
pub(crate) fn wrap(command: &mut Command, words: &[String], log: &Path) {
    let mut wrapped = Command::new(&words[0]);
    wrapped.args(&words[1..]).arg(command.get_program()).args(command.get_args()).env_clear().stdin(Stdio::null());
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let out = fs::File::options().create(true).append(true).open(log).unwrap();
    *command = wrapped;
    command.stdout(out.try_clone().unwrap()).stderr(out);
}

impl SmallDisk {
    pub(crate) fn of(process: u32, folder: &Path) -> Self {
        Self { process, folder: folder.to_owned() }
    }

    /// The folder as anybody else comes to it.
    pub(crate) fn path(&self) -> PathBuf {
        let inside = self.folder.strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.process)).join(inside)
    }

    /// Uses up all its room.
    pub(crate) fn fill(&self) {
        let path = self.path().join("filling");
        let mut bytes = vec![0; 64 * 1024];
        let mut file = fs::File::create(path).unwrap();
        while !bytes.is_empty() {
            while std::io::Write::write_all(&mut file, &bytes).is_ok() {}
            bytes.truncate(bytes.len() / 2);
        }
    }

    /// Uses up all its files.
    pub(crate) fn fill_with_files(&self) {
        let folder = self.path().join("filling");
        fs::create_dir(&folder).unwrap();
        for number in 0.. {
            if fs::File::create(folder.join(number.to_string())).is_err() {
                return;
            }
        }
    }

    pub(crate) fn make_room(&self) {
        let path = self.path().join("filling");
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// Lets nothing below a folder of it be written.
    pub(crate) fn close(&self, folder: &str) {
        self.inside(r#"mount --bind "$0" "$0"; mount -o remount,bind,ro "$0""#, folder);
    }

    pub(crate) fn open(&self, folder: &str) {
        self.inside(r#"umount "$0""#, folder);
    }

    /// Runs a script where the process sees the disk.
    fn inside(&self, script: &str, folder: &str) {
        let process = self.process.to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &process, "--mount"]);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        let Output { status, stderr, .. } = command.args(["sh", "-ec", script]).arg(self.folder.join(folder)).output().unwrap();
        assert!(status.success(), "{script}: {}", String::from_utf8_lossy(&stderr));
    }
}
