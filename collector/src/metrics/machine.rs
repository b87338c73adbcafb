//! What is measured of the process and its disk at the moment of asking. Where the system does not tell
//! (anything but Linux), a series is absent rather than 0.

use std::fs;
use std::path::Path;

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::PREFIX;

/// Clock ticks in a second, in `/proc`: `USER_HZ`, 100 on every architecture that Rust runs Linux on
/// (`include/asm-generic/param.h`).
const TICKS: f64 = 100.0;

/// The process and its disk.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    process: Option<Process>,
    open_files: Option<u64>,
    most_files: Option<u64>,
    disk: Option<Disk>,
    log_files: u64,
    log_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Process {
    cpu_seconds: f64,
    /// Seconds since 1970; absent where `/proc/stat` cannot be read.
    started: Option<f64>,
    threads: u64,
    virtual_bytes: u64,
    resident_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Disk {
    bytes: u64,
    free: u64,
}

impl Machine {
    /// Measures; `data` is the data folder. Blocks on disk.
    pub fn measure(data: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        let process = read("/proc/self/stat").and_then(|stat| {
            let resident = read("/proc/self/status");
            Process::of(&stat, resident.as_deref(), read("/proc/stat").as_deref())
        });
        let disk = rustix::fs::statvfs(data).ok();
        let log = fs::read_dir(data.join("log")).into_iter().flatten();
        let segments = log.filter_map(|entry| {
            let entry = entry.ok()?;
            let is_segment = entry.path().extension().is_some_and(|end| end == "redb");
            is_segment.then(|| entry.metadata().ok()).flatten()
        });
        let (mut log_files, mut log_bytes) = (0, 0);
        for segment in segments {
            log_files += 1;
            log_bytes += segment.len();
        }
        Self {
            process,
            open_files: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|files| files.count() as u64),
            most_files: rlimit::Resource::NOFILE.get_soft().ok(),
            disk: disk.map(|disk| Disk {
                bytes: disk.f_blocks * disk.f_frsize,
                free: disk.f_bavail * disk.f_frsize,
            }),
            log_files,
            log_bytes,
        }
    }

    /// Registers its series: those of the process under the names that every client library gives them, the
    /// others under ours.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.register_process(registry);
        let ours = registry.sub_registry_with_prefix(PREFIX);
        if let Some(disk) = self.disk {
            let help = "Size of the file system that holds the data folder, in bytes";
            bytes(ours, "disk_size", help, disk.bytes);
            let help = "What is free there for the process, in bytes";
            bytes(ours, "disk_free", help, disk.free);
        }
        one(ours, "log_files", "Files of the log", self.log_files);
        bytes(ours, "log_size", "Their size, in bytes", self.log_bytes);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        ours.register("build", "What is running", Info::new(version));
    }

    fn register_process(&self, registry: &mut Registry) {
        if let Some(process) = self.process {
            registry.register_with_unit(
                "process_cpu",
                "User and system time of the process, in seconds",
                Unit::Seconds,
                ConstCounter::new(process.cpu_seconds),
            );
            let help = "Addresses that the process has, in bytes";
            bytes(
                registry,
                "process_virtual_memory",
                help,
                process.virtual_bytes,
            );
            let help = "Threads of the process";
            one(registry, "process_threads", help, process.threads);
        }
        if let Some(resident) = self.process.and_then(|process| process.resident_bytes) {
            let help = "Memory that the process holds, in bytes";
            bytes(registry, "process_resident_memory", help, resident);
        }
        if let Some(started) = self.process.and_then(|process| process.started) {
            registry.register_with_unit(
                "process_start_time",
                "When the process started, in seconds since 1970",
                Unit::Seconds,
                ConstGauge::new(started),
            );
        }
        if let Some(open) = self.open_files {
            let help = "Files and connections that are open";
            one(registry, "process_open_fds", help, open);
        }
        if let Some(most) = self.most_files {
            let help = "How many may be open at once";
            one(registry, "process_max_fds", help, most);
        }
    }
}

fn one(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstGauge::new(value));
}

fn bytes(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(value));
}

impl Process {
    /// From `/proc/self/stat`, `/proc/self/status` and `/proc/stat`, see proc(5).
    fn of(stat: &str, status: Option<&str>, system: Option<&str>) -> Option<Self> {
        // The name in brackets may hold anything; behind it field 3 follows.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "ticks stay far below 2^52")]
        let seconds = |ticks: u64| ticks as f64 / TICKS;
        let value = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_ascii_whitespace().next()?.parse::<u64>().ok()
        };
        let boot = system.and_then(|system| value(system, "btime "));
        #[expect(clippy::cast_precision_loss, reason = "seconds stay far below 2^52")]
        let boot = boot.map(|boot| boot as f64);
        let started = seconds(number(22)?);
        Some(Self {
            cpu_seconds: seconds(number(14)? + number(15)?),
            started: boot.map(|boot| boot + started),
            threads: number(20)?,
            virtual_bytes: number(23)?,
            resident_bytes: status
                .and_then(|status| value(status, "VmRSS:"))
                .map(|kib| kib * 1024),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_counted_behind_the_name() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 8 18 4200 1048576 20 21";
        let found = Process::of(
            stat,
            Some("Name:\tx\nVmRSS:\t   12 kB\n"),
            Some("cpu 1\nbtime 1000\n"),
        );
        let expected = Process {
            cpu_seconds: 2.0,
            started: Some(1_042.0),
            threads: 8,
            virtual_bytes: 1_048_576,
            resident_bytes: Some(12 * 1024),
        };
        assert_eq!(found, Some(expected));
        assert_eq!(Process::of("12 (a) S 1", None, None), None);
    }
}
