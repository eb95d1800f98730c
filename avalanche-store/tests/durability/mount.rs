//! File systems of our own: an ext4 in a file on a loop device, made to lose power.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use crate::child::Folder;

/// A mounted file system in a file.
#[derive(Debug)]
pub(crate) struct Image {
    folder: Folder,
    mounted: bool,
}

/// The shutdown call of ext4, as file system tests use it: whatever the journal has not got on disk
/// stays there. There is no safe call for it in std.
const LOSE_POWER: &str = "
import fcntl, os, struct, sys, time
folder = os.open(sys.argv[1], os.O_RDONLY)
print(time.time_ns(), flush=True)
fcntl.ioctl(folder, 0x8004587D, struct.pack('I', 2))
";

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

impl Image {
    /// Makes and mounts a file system.
    ///
    /// # Errors
    ///
    /// What is missing here: root, a tool, loop devices.
    pub(crate) fn new(test: &str, mebibytes: u64) -> Result<Self, String> {
        let folder = Folder::new(test);
        std::fs::create_dir(folder.0.join("mounted")).map_err(|error| error.to_string())?;
        let file =
            std::fs::File::create(folder.0.join("image")).map_err(|error| error.to_string())?;
        file.set_len(mebibytes << 20).map_err(|error| error.to_string())?;
        let mut image = Self { folder, mounted: false };
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image.file()))?;
        image.mount("rw")?;
        Ok(image)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.0.join("mounted")
    }

    fn file(&self) -> PathBuf {
        self.folder.0.join("image")
    }

    /// Mounts it, `rw` or `ro`.
    pub(crate) fn mount(&mut self, how: &str) -> Result<(), String> {
        let options = format!("loop,{how}");
        run(Command::new("mount").args(["-o", &options]).arg(self.file()).arg(self.path()))?;
        self.mounted = true;
        Ok(())
    }

    /// Unmounts it. What is open in it has to be closed; threads of a store that was closed may
    /// need a moment to see it.
    pub(crate) fn unmount(&mut self) -> Result<(), String> {
        let mut tries = 0;
        while self.mounted {
            match run(Command::new("umount").arg(self.path())) {
                Ok(_) => self.mounted = false,
                Err(busy) if tries == 100 => return Err(busy),
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
            tries += 1;
        }
        Ok(())
    }

    /// Cuts it off from its disk, as power loss does: nothing reaches the disk any more. The time
    /// when that began, in nanoseconds since 1970: a machine without power says nothing after it.
    /// (Linux lets a sync that is under way return with success.)
    pub(crate) fn lose_power(&self) -> Result<u128, String> {
        let said = run(Command::new("python3").args(["-c", LOSE_POWER]).arg(self.path()))?;
        let time = String::from_utf8_lossy(&said.stdout).trim().parse();
        time.map_err(|error| format!("no time from python3: {error}"))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = self.unmount();
    }
}

/// Whether this process is root: the owner of its own entry in /proc.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    Path::new("/proc/self").metadata().is_ok_and(|entry| entry.uid() == 0)
}
