//! Folders that cannot be used: in use, read-only, forbidden, full, not folders.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::child::{Folder, Start, check};
use crate::mount::{Image, is_root};
use crate::{skip, targets};

/// Opens a store that must be refused. What its user reads.
fn refusal(store: &str, folder: &std::path::Path) -> String {
    let refused = targets::open(store, folder).expect_err("must be refused").to_string();
    assert!(
        refused.contains(&*folder.to_string_lossy()),
        "{store}: {refused} does not name {}",
        folder.display()
    );
    refused
}

#[test]
fn a_folder_in_use_by_another_process_is_refused() {
    for store in targets::ALL {
        let folder = Folder::new(&format!("in-use-{store}"));
        let mut writer = Start::default().writer(store, &folder.0);
        assert!(writer.wait_for(1), "{:?}", writer.error);
        let text = refusal(store, &folder.0);
        assert!(text.contains("in use") && text.contains("another"), "{store}: {text}");
        let writer = writer.kill();
        assert!(check(store, &folder.0, 1, writer.durable) > 0);
    }
}

#[test]
fn a_file_in_place_of_a_folder_is_refused() {
    for store in targets::ALL {
        let folder = Folder::new(&format!("file-{store}"));
        let path = folder.0.join("store");
        fs::write(&path, b"a file").expect("a file");
        refusal(store, &path);
        assert_eq!(fs::read(&path).expect("still there"), b"a file");
    }
}

#[test]
fn a_full_disk_is_named_and_room_brings_the_store_back() {
    if !is_root() {
        return skip("a_full_disk_is_named_and_room_brings_the_store_back", "mounting needs root");
    }
    for store in targets::ALL {
        let image = match Image::new(&format!("disk-full-{store}"), 12) {
            Ok(image) => image,
            Err(missing) => {
                return skip("a_full_disk_is_named_and_room_brings_the_store_back", &missing);
            }
        };
        // Room that can be given back.
        let ballast = image.path().join("ballast");
        fs::write(&ballast, vec![1; 4 << 20]).expect("room for it");
        let folder = image.path().join("store");
        let writer = Start::default().writer(store, &folder).end();
        let error = writer.error.clone().expect("a disk of 12 MiB is full at some time");
        assert!(error.contains("space") && error.contains("store"), "{store}: {error}");
        assert!(writer.poisoned, "{store}: went on with a full disk");
        assert!(writer.durable > 0, "{store}");
        fs::remove_file(&ballast).expect("removed");
        let last = check(store, &folder, 1, writer.durable);
        let mut writer = Start::default().writer(store, &folder);
        assert!(writer.wait_for(last + 3), "{store}: {:?}", writer.error);
        let writer = writer.kill();
        check(store, &folder, 1, writer.durable);
    }
}

#[test]
fn a_read_only_disk_is_named() {
    if !is_root() {
        return skip("a_read_only_disk_is_named", "mounting needs root");
    }
    for store in targets::ALL {
        let mut image = match Image::new(&format!("read-only-{store}"), 64) {
            Ok(image) => image,
            Err(missing) => return skip("a_read_only_disk_is_named", &missing),
        };
        let folder = image.path().join("store");
        let mut writer = Start::default().writer(store, &folder);
        assert!(writer.wait_for(3), "{:?}", writer.error);
        let writer = writer.kill();
        image.unmount().and_then(|()| image.mount("ro")).expect("mounted again");
        let text = refusal(store, &folder);
        assert!(text.to_lowercase().contains("read-only"), "{store}: {text}");
        image.unmount().and_then(|()| image.mount("rw")).expect("mounted again");
        check(store, &folder, 1, writer.durable);
    }
}

#[test]
fn a_folder_without_permission_is_named() {
    const NAME: &str = "a_folder_without_permission_is_named";
    for store in targets::ALL {
        let folder = Folder::new(&format!("forbidden-{store}"));
        let path = folder.0.join("store");
        fs::create_dir(&path).expect("a folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o500)).expect("permissions");
        // Root may do anything: be somebody else, with a copy of this program that they can run.
        let mut start = Start::default();
        if is_root() {
            let program = folder.0.join("program");
            fs::copy(std::env::current_exe().expect("this program"), &program).expect("a copy");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("permissions");
            fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755)).expect("permissions");
            std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).expect("another owner");
            start.user = Some(65_534);
            start.program = Some(program);
        }
        let writer = start.writer(store, &path).end();
        let Some(error) = writer.error.clone() else { return skip(NAME, "the writer did not run") };
        assert!(error.contains("permission"), "{store}: {error}");
        assert!(error.contains(&*path.to_string_lossy()), "{store}: {error}");
        assert_eq!(fs::read_dir(&path).expect("readable").count(), 0, "{store} left something");
    }
}
