//! Types shared by the snippet and the collector.
