//! The README by copy and paste: its shell blocks in their order, in one shell, on a machine that has the
//! binary. What differs from a reader's is the port, and that `./dev build` finds everything built.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{MISAR, command};

const README: &str = include_str!("../../../README.md");
const ADDRESS: &str = "127.0.0.1:8080";

/// Stands before the blocks: a call that fails ends the run with its own words, as an answer of 400 and
/// above does. A read waits until the views have come to the end of the log, as whoever types it does.
/// `misar doctor` may warn: a store in a temporary folder is not in production.
const BEFORE: &str = r#"
set -uo pipefail
curl() {
  case "$*" in
    *' -d '* | *readyz) ;;
    *) until caught_up; do sleep 0.1; done ;;
  esac
  command curl --silent --show-error --fail-with-body "$@"
}
caught_up() {
  command curl --silent -H "Authorization: Bearer $KEY" 'http://127.0.0.1:8080/v1/events?limit=1' | grep -q '"lagMs":0'
}
failed() {
  local code=$1 what=$2
  if [ "$code" = 1 ] && [ "$what" = "misar doctor" ]; then return; fi
  printf '\nREADME: exit code %s of: %s\n' "$code" "$what" >&2
  exit 1
}
trap 'failed $? "$BASH_COMMAND"' ERR
trap 'kill %1; wait' EXIT
"#;

/// The blocks that are marked as a shell's.
fn shell_blocks() -> Vec<&'static str> {
    let parts = README.split("```sh\n").skip(1);
    let blocks: Vec<_> = parts.filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 6, "{blocks:?}");
    blocks
}

#[test]
fn every_shell_block_of_the_readme_works_in_order() {
    let machine = TempDir::new().unwrap();
    let folder = machine.path();
    let bin = folder.join("target/release");
    fs::create_dir_all(&bin).unwrap();
    symlink(MISAR, bin.join("misar")).unwrap();
    let dev = folder.join("dev");
    fs::write(&dev, "#!/bin/sh\n[ \"$*\" = build ]\n").unwrap();
    fs::set_permissions(&dev, Permissions::from_mode(0o755)).unwrap();

    // Below the ports that systems hand out by themselves, or another test could be given it meanwhile.
    let free = (12_000..32_000)
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .unwrap();
    let script = format!("{BEFORE}{}\ntrue\n", shell_blocks().join("\n"));
    assert!(
        script.contains(ADDRESS),
        "it names the address at which misar listens"
    );
    let script = script.replace(ADDRESS, &free.to_string());

    let mut bash = command("bash", &folder.join("misar-data"), "-c");
    bash.arg(script).current_dir(folder);
    bash.env_remove("MISAR_DATA");
    bash.env("MISAR_LISTEN", free.to_string());
    let run = bash.stdin(Stdio::null()).output().unwrap();
    let (said, errors) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{said}\n{errors}");
    for wanted in [
        "trial_started",
        "\"status\":\"tracked\"",
        "/mail/track/click/",
        "List-Unsubscribe",
        "\"net\":49.98",
        "msk_pub_",
    ] {
        assert!(said.contains(wanted), "no {wanted} in {said}\n{errors}");
    }
    assert!(folder.join("misar-restored/meta.redb").exists());
}

#[test]
fn the_readme_names_every_scope_and_the_settings_that_a_page_has() {
    for scope in shared::api_key::Scope::ALL {
        assert!(README.contains(&format!("`{}`", scope.as_str())));
    }
    for setting in [
        "host",
        "batchSize",
        "flushInterval",
        "autoPageViews",
        "persistence",
        "gpc",
        "dnt",
        "beforeSend",
        "debug",
    ] {
        assert!(README.contains(&format!("`{setting}`")), "{setting}");
    }
    // The file of a shell is bash here, as for most readers; the blocks use nothing of it alone.
    assert!(
        Command::new("sh")
            .args(["-n", "-c", &shell_blocks().join("\n")])
            .status()
            .unwrap()
            .success()
    );
}
