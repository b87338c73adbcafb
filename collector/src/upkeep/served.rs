//! A running collector, for those who keep its store: beside the traffic.

use std::sync::Arc;
use std::time::Instant;

use shared::email::Email;
use tokio::runtime::Handle;

use crate::app::App;
use crate::backup::{self, BackupAsk, BackupReport, BackupSources};
use crate::doctor::{self, Server, UntrustedProxy};
use crate::ingest::erasures::{self, ErasedCounts};
use crate::ingest::register::{OperatorsMessage, RegisterOutcome, register_one};
use crate::privacy::Privacy;
use crate::public_url::{PUBLIC_URL_MISSING, PublicUrl, Reach};
use crate::upkeep::{PrivacyReport, RebuildReport, Upkeep};
use store::classify::relay::RelayList;
use store::ledger::LogError;
use store::ledger::verify::LogReport;
use store::meta::Meta;
use store::record::WorkspaceId;

impl Upkeep for App {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn relay(&self) -> &RelayList {
        &self.relay
    }

    fn public_url(&self) -> Option<&PublicUrl> {
        Some(&self.public_url)
    }

    fn served(&self) -> Option<&App> {
        Some(self)
    }

    fn verify(&self, progress: &mut dyn FnMut(u64)) -> Result<LogReport, LogError> {
        self.verify_log(progress)
    }

    fn link(&self) -> Result<String, String> {
        self.make_link().map_err(|error| error.to_string())
    }

    fn register(&self, message: OperatorsMessage) -> Result<RegisterOutcome, String> {
        let registering = register_one(self.durable(), Arc::clone(&self.meta), message);
        Handle::current().block_on(registering)
    }

    fn erase(&self, workspace: WorkspaceId, email: Email) -> Result<ErasedCounts, String> {
        let events = erasures::count(self, workspace, &email);
        let erasing = erasures::eraser(self).erase(workspace, &email, None, self.clock.now());
        let erased = Handle::current().block_on(erasing);
        let erased = erased.map_err(|error| error.to_string())?;
        let rejected = erasures::clear(self, &erased, &email).map_err(|error| error.to_string())?;
        Ok(ErasedCounts { events, rejected })
    }

    fn rebuild(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<RebuildReport, String> {
        let started = Instant::now();
        let (tell, told) = std::sync::mpsc::channel();
        let runtime = Handle::current();
        let rebuilt = std::thread::scope(|threads| {
            let rebuilding = threads.spawn(|| {
                let telling = move |done, total| {
                    tell.send((done, total)).ok();
                };
                runtime.block_on(self.projector.rebuild(telling))
            });
            // Ends when the rebuild lets its end go.
            for (done, total) in told {
                progress(done, total);
            }
            rebuilding.join()
        });
        let events = rebuilt
            .map_err(|_| "the rebuild broke off".to_owned())?
            .map_err(|error| error.to_string())?;
        Ok(RebuildReport {
            events,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    fn apply_privacy(
        &self,
        asked: Option<Privacy>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PrivacyReport, String> {
        if let Some(asked) = asked.filter(|asked| *asked != self.privacy) {
            let (asked, own) = (asked.as_str(), self.privacy.as_str());
            return Err(format!(
                "the server that is running keeps {own}: start it again with --privacy {asked} first, or leave --privacy out"
            ));
        }
        let draining = self.draining();
        let stop = || *draining.borrow();
        PrivacyReport::of(&self.durable(), self.privacy, &stop, progress)
    }

    fn apply_settings(&self) -> Result<(), String> {
        let applied = Handle::current().block_on(self.projector.apply_settings());
        applied.map_err(|error| error.to_string())
    }

    fn backup(
        &self,
        ask: &BackupAsk,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BackupReport, String> {
        let sources = BackupSources {
            data: self.data(),
            meta: &self.meta,
            log: &self.durable(),
            rejected: Some(&self.rejected),
        };
        backup::take(&sources, ask, progress)
    }

    fn doctor(&self) -> doctor::Diagnosis {
        let server = Server {
            not_ready: self.readiness().err().map(str::to_owned),
            view_lag_ms: self.projector.lag_ms(),
            views_building: self.views.building().map(|building| building.percent()),
            public_url: self.public_url.as_str().to_owned(),
            public_url_warning: match self.public_url.reach() {
                Reach::Guessed => Some(PUBLIC_URL_MISSING.to_owned()),
                _ => self.public_url.warning(),
            },
            untrusted_proxies: self.untrusted_proxies(),
        };
        doctor::diagnose(self.data(), &self.meta, Ok(&self.durable()), Some(server))
    }
}

impl App {
    fn untrusted_proxies(&self) -> Vec<UntrustedProxy> {
        let mut seen = self.proxies_seen.networks();
        seen.sort_by_key(|(_, requests)| std::cmp::Reverse(*requests));
        seen.into_iter()
            .map(|(network, requests)| UntrustedProxy {
                network: network.to_string(),
                requests,
            })
            .collect()
    }
}
